package bench

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A deadline is a context like any other. It can be used again where its channel was not
// asked for.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, stop := context.WithCancel(t.Context())
		fresh := func() *deadline { return &deadline{Context: parent, at: time.Now().Add(time.Second)} }

		unasked := fresh()
		if at, ok := unasked.Deadline(); !ok || !at.Equal(time.Now().Add(time.Second)) || unasked.Err() != nil || !unasked.end() {
			t.Error("a deadline that was not waited for cannot be used again")
		}
		child, cancel := context.WithTimeout(fresh(), time.Hour)
		begin := time.Now()
		<-child.Done()
		if took := time.Since(begin); took != time.Second || !errors.Is(child.Err(), context.DeadlineExceeded) {
			t.Errorf("a child ended after %v: %v", took, child.Err())
		}
		cancel()
		late := fresh()
		time.Sleep(time.Second)
		if !errors.Is(late.Err(), context.DeadlineExceeded) {
			t.Errorf("error %v after the time", late.Err())
		}
		select {
		case <-late.Done():
		default:
			t.Error("the channel is open after the time")
		}
		if late.end() {
			t.Error("a deadline that was waited for is used again")
		}
		waiting := fresh()
		time.AfterFunc(time.Millisecond, stop)
		<-waiting.Done()
		if !errors.Is(waiting.Err(), context.Canceled) {
			t.Errorf("error %v after the parent's end", waiting.Err())
		}
		waiting.end()
		if err := fresh().Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v of a deadline that nobody waits for", err)
		}
	})
}
