package workloads

import (
	"testing"

	"github.com/spf13/pflag"
)

// Each value that a parameter lists is accepted, and the parameters with words list some.
func TestChoicesAreAccepted(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, e := range All() {
		_, fs, err := e.Configure(nil)
		if err != nil {
			t.Fatal(err)
		}
		fs.VisitAll(func(f *pflag.Flag) {
			for _, choice := range Choices(f) {
				if e.Storage != NoLayer && f.Name == "stream" && choice != "false" {
					continue // it needs a server
				}
				listed[f.Name] = true
				d, _, err := e.Configure(map[string]string{f.Name: choice})
				if err == nil {
					err = d.Validate("choices/")
				}
				if err != nil {
					t.Errorf("%s --%s %s: %v", e.Name, f.Name, choice, err)
				}
			}
		})
	}
	for _, name := range []string{"keys", "values", "span", "watch-span", "consistency", "stream", "isolation", "verbs"} {
		if !listed[name] {
			t.Errorf("--%s lists no values", name)
		}
	}
}
