package runner

import (
	"fmt"
	"reflect"
)

// SpecError is what is wrong with a specification, or with what it meets, such as a
// prefix that is in use. Nothing was started.
type SpecError struct {
	// Field is the path of JSON names, such as load.clients; empty where several are
	// concerned. The text of Err names the flags.
	Field string
	Err   error
}

// Error names the field and the flag.
func (e *SpecError) Error() string {
	if e.Field == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %v", e.Field, e.Err)
}

// Unwrap returns the cause.
func (e *SpecError) Unwrap() error { return e.Err }

// wrong makes the error of a field.
func wrong(field, format string, args ...any) error {
	return &SpecError{Field: field, Err: fmt.Errorf(format, args...)}
}

// within makes an error that of a field, nil for nil.
func within(field string, err error) error {
	if err == nil {
		return nil
	}
	return &SpecError{Field: field, Err: err}
}

// flagsSet lists the flags of a struct's fields that are not zero, in their order.
func flagsSet(of any) (names []string) {
	v := reflect.ValueOf(of)
	for i := range v.NumField() {
		f, field := v.Field(i), v.Type().Field(i)
		switch name := field.Tag.Get("flag"); {
		case f.IsZero():
		case name != "":
			names = append(names, name)
		case f.Kind() == reflect.Struct:
			names = append(names, flagsSet(f.Interface())...)
		}
	}
	return names
}
