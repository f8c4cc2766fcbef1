package workloads

import "github.com/spf13/pflag"

// choicesKey is the annotation of a flag that lists the values it accepts by name.
const choicesKey = "etcdbench_choices"

// addChoices records values that the parameter accepts by name. It may accept others.
func addChoices(fs *pflag.FlagSet, parameter string, choices ...string) {
	_ = fs.SetAnnotation(parameter, choicesKey, choices) // fails for a parameter that does not exist
}

// Choices returns the values that a workload's parameter accepts by name, such as zipfian
// for keys. It is nil for numbers, times and sizes.
func Choices(parameter *pflag.Flag) []string { return parameter.Annotations[choicesKey] }
