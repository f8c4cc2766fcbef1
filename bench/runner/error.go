package runner

import (
	"fmt"
	"reflect"
)

// SpecError reports that a specification is invalid or conflicts with the state of the cluster,
// such as a prefix that is in use. Nothing was started.
type SpecError struct {
	// Field is the field's path of JSON names, such as load.clients. It is empty if several
	// fields are concerned. The text of Err names the flags.
	Field string
	Err   error
}

// Error returns a text that names the field and the flag.
func (e *SpecError) Error() string {
	if e.Field == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %v", e.Field, e.Err)
}

// Unwrap returns the cause.
func (e *SpecError) Unwrap() error { return e.Err }

// invalid returns a SpecError for a field.
func invalid(field, format string, args ...any) error {
	return &SpecError{Field: field, Err: fmt.Errorf(format, args...)}
}

// fieldError returns err as a SpecError for the field, or nil if err is nil.
func fieldError(field string, err error) error {
	if err == nil {
		return nil
	}
	return &SpecError{Field: field, Err: err}
}

// flagsSet returns the flags of all fields of a struct that are not zero, in the order of the
// fields.
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
