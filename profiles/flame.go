package profiles

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/google/pprof/driver"
	"github.com/google/pprof/profile"
)

// FlameGraph is pprof's own page for a set, or for the difference of two: whole,
// without its menus, which need pprof's server. Boxes are as wide as what they
// stand for; a click on one zooms, and typing searches.
//
// The driver keeps its settings in variables of its own, so flame graphs must be
// made one after the other.
func FlameGraph(s Set) (string, error) {
	k, ok := findKind(s.Kind)
	if !ok || k.sample == "" {
		return "", fmt.Errorf("no flame graph of %q", s.Kind)
	}
	flags := &flagSet{FlagSet: flag.NewFlagSet("pprof", flag.ContinueOnError), args: []string{
		"-http=localhost:0", "-no_browser", "-symbolize=none", "-sample_index=" + k.sample, "capture",
	}}
	ui := &quiet{}
	var page *httptest.ResponseRecorder
	err := driver.PProf(&driver.Options{
		Flagset: flags, Fetch: fetcher{s.Profile}, UI: ui,
		HTTPServer: func(args *driver.HTTPServerArgs) error {
			page = httptest.NewRecorder()
			args.Handlers["/flamegraph"].ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/flamegraph", nil))
			return nil
		},
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("draw flame graph: %w", err)
	case page == nil:
		return "", errors.New("draw flame graph: pprof drew none")
	case page.Code != http.StatusOK:
		return "", fmt.Errorf("draw flame graph: %s", strings.Join(strings.Fields(page.Body.String()), " "))
	}
	return strings.Replace(page.Body.String(), "<head>", "<head>"+frameHead, 1), nil
}

// In a frame without a server, pprof's page cannot change its address, in which
// it keeps what is zoomed: it gets a variable instead. What leads elsewhere is
// hidden.
const frameHead = `
<style>.header .title, #view, #sample, #refine, #config, #download, .description + .menu-item, .help, #action-menu ` +
	`{ display: none !important; } html { background: #fff; }</style>
<script>
{
  let address = 'about:profile';
  Object.defineProperty(document, 'URL', { get: () => address });
  history.pushState = (state, title, to) => { address = String(to); };
}
</script>`

// fetcher hands the driver a profile that is there already.
type fetcher struct{ p *profile.Profile }

func (f fetcher) Fetch(string, time.Duration, time.Duration) (*profile.Profile, string, error) {
	return f.p.Copy(), "", nil
}

// flagSet is the driver's command line.
type flagSet struct {
	*flag.FlagSet
	args []string
}

func (f *flagSet) StringList(name, def, usage string) *[]*string {
	return &[]*string{f.String(name, def, usage)}
}
func (f *flagSet) ExtraUsage() string     { return "" }
func (f *flagSet) AddExtraUsage(_ string) {}
func (f *flagSet) Parse(func()) []string {
	if err := f.FlagSet.Parse(f.args); err != nil {
		return nil
	}
	return f.Args()
}

// quiet is a user interface without a user.
type quiet struct{}

func (*quiet) ReadLine(string) (string, error)     { return "", errors.New("nobody is there") }
func (*quiet) Print(...any)                        {}
func (*quiet) PrintErr(...any)                     {}
func (*quiet) IsTerminal() bool                    { return false }
func (*quiet) WantBrowser() bool                   { return false }
func (*quiet) SetAutoComplete(func(string) string) {}
