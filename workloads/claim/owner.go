package claim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/etcdbench/etcdbench/results"
)

// An Owner is the run that uses a prefix.
type Owner struct {
	Run     string    `json:"run"`
	User    string    `json:"user,omitempty"`
	Host    string    `json:"host,omitempty"`
	PID     int       `json:"pid,omitempty"`
	Started time.Time `json:"started"`
	// Revision is the store's before the run has written: the run's keys are younger.
	Revision int64 `json:"revision"`
	// Shared means that the prefix had keys of others then.
	Shared bool `json:"shared,omitempty"`
}

// Self returns the present process as the owner that makes a run.
func Self(run string, revision int64) Owner {
	o := Owner{Run: run, PID: os.Getpid(), Started: time.Now().UTC().Truncate(time.Second), Revision: revision}
	o.Host, _ = os.Hostname()
	if u, err := user.Current(); err == nil {
		o.User = u.Username
	}
	return o
}

// String names the run, who started it, where and when.
func (o Owner) String() string {
	text := "run " + cmp.Or(o.Run, "of an unknown name")
	if o.Host != "" {
		text += fmt.Sprintf(" of %s@%s", cmp.Or(o.User, "?"), o.Host)
	}
	if o.PID != 0 {
		text += " (pid " + strconv.Itoa(o.PID) + ")"
	}
	if !o.Started.IsZero() {
		text += ", started at " + o.Started.Format(time.RFC3339)
	}
	return text
}

func (o Owner) encode() []byte {
	data, _ := json.Marshal(o) // has no type that cannot be encoded
	return data
}

// maxOwner bounds the value of a marker: it comes from the cluster, where anybody may
// have written it.
const maxOwner = 4 << 10

// decodeOwner reads a marker's value. One that is not understood has an unknown owner.
func decodeOwner(value []byte) (o Owner) {
	if len(value) > maxOwner || json.Unmarshal(value, &o) != nil {
		return Owner{}
	}
	for _, text := range []*string{&o.Run, &o.User, &o.Host} {
		*text = results.Clip(printable(*text))
	}
	return o
}

// printable leaves out what would change a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}
