package ledger

import (
	"bytes"
	"encoding/gob"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// Whatever several processes noted of one key, each of its own writes, their records
// merge to what the key holds; a lost last put is found where nothing is uncertain.
func TestMergedRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := Keys{Prefix: "/p/", Size: 10, Count: 1}
		count := rapid.IntRange(1, 4).Draw(t, "processes")
		var ledgers []*Ledger
		var spaces []*Space
		for range count {
			l := New(1)
			ledgers, spaces = append(ledgers, l), append(spaces, l.Space(keys, Removal{Deletion: true}))
		}
		var f Found
		certain := true
		for revision := int64(2); revision < 2+rapid.Int64Range(1, 60).Draw(t, "writes"); revision++ {
			s := spaces[rapid.IntRange(0, count-1).Draw(t, "process")]
			value := []byte{byte(revision)}
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				f = Found{}
				s.Deleted(0, revision)
			case 1:
				s.Failed(0, errors.New("lost"))
				certain = false
			default:
				if f.Version == 0 {
					f.Created = revision
				}
				f.Modified, f.Version, f.Value = revision, f.Version+1, value
				s.Wrote(0, revision, value)
			}
		}
		merged := New(1)
		for _, l := range ledgers {
			var buf bytes.Buffer
			var r Record
			if err := errors.Join(gob.NewEncoder(&buf).Encode(l.Record()), gob.NewDecoder(&buf).Decode(&r), merged.Merge(r)); err != nil {
				t.Fatal(err)
			}
		}
		s := merged.Space(keys, Removal{})
		expected, got, ok := s.judge(0, f)
		if ok && f.Modified > 0 {
			expected, got, ok = s.judgePuts(0, f.Version)
		}
		if !ok {
			t.Fatalf("%+v: expected %q, found %q", f, expected, got)
		}
		if f.Modified > 0 && certain {
			if _, _, ok := s.judge(0, Found{}); ok {
				t.Fatalf("%+v: the loss of the key is not found", f)
			}
		}
	})
}

// A record that no ledger makes is refused.
func TestMalformedRecords(t *testing.T) {
	keys := Keys{Prefix: "/p/", Size: 10, Count: 1}
	for name, r := range map[string]SpaceRecord{
		"no keys":       {},
		"place":         {Keys: keys, Places: []int{1}, Last: []uint64{1}, Puts: []uint64{1}},
		"negative":      {Keys: keys, Places: []int{-1}, Last: []uint64{1}, Puts: []uint64{1}},
		"missing value": {Keys: keys, Places: []int{0}, Last: []uint64{1}},
	} {
		if err := New(1).Merge(Record{Spaces: []SpaceRecord{r}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
