package claim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/user"
	"slices"
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
	// Revision is the store's revision before the first write of the run: the run's keys are
	// younger.
	Revision int64 `json:"revision"`
	// Leases are the tags of the leases of the run, and of earlier runs that have left leases.
	Leases []LeaseTags `json:"leases,omitempty"`
	// KeepData means that the run was requested to leave its keys.
	KeepData bool `json:"keep_data,omitempty"`
}

// LeaseTags are the upper halves of the IDs of a run's leases, one for each process: Count
// numbers from First on. No other client knows them.
type LeaseTags struct {
	First uint32 `json:"first"`
	Count uint32 `json:"count"`
}

// maxProcesses bounds the processes of a run.
const maxProcesses = 10_001

// NewLeaseTags returns random tags for a run with that many processes.
func NewLeaseTags(processes int) LeaseTags {
	count := uint32(processes)
	return LeaseTags{First: 1 + rand.Uint32N(1<<31-1-count), Count: count}
}

// HasLease reports whether a lease belongs to the run, or to an earlier run in Leases.
func (o Owner) HasLease(id int64) bool {
	return id > 0 && slices.ContainsFunc(o.Leases, func(t LeaseTags) bool { return uint32(id>>32)-t.First < t.Count })
}

// maxTags is the largest number of tags in a record.
const maxTags = 64

// after returns the record of a run that follows one which has left keys or leases. It has the
// revision and the name of the earlier run, and the leases of both.
func (o Owner) after(earlier Owner) Owner {
	both := slices.Concat(earlier.Leases, o.Leases)
	earlier.Leases = both[max(0, len(both)-maxTags):]
	earlier.KeepData = earlier.KeepData || o.KeepData
	return earlier
}

// Self returns the present process as the owner of a run.
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
	data, _ := json.Marshal(o) // all fields can be encoded
	return data
}

// maxOwner is the largest size of a marker's value, in bytes. The value is untrusted: any
// client may have written it.
const maxOwner = 4 << 10

// decodeOwner reads a marker's value. An invalid value has an unknown owner.
func decodeOwner(value []byte) (o Owner) {
	if len(value) > maxOwner || json.Unmarshal(value, &o) != nil {
		return Owner{}
	}
	for _, text := range []*string{&o.Run, &o.User, &o.Host} {
		*text = results.Clip(printable(*text))
	}
	o.Leases = slices.DeleteFunc(o.Leases, func(t LeaseTags) bool { return t.First == 0 || t.Count > maxProcesses })
	return o
}

// printable removes the control characters, which would affect a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}
