package sdk

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// TestTheHostsLimitsHoldInPlaceOfThoseOfTheText: HELLO states them (SPEC.md §3.6).
func TestTheHostsLimitsHoldInPlaceOfThoseOfTheText(t *testing.T) {
	told := make(chan error, 3)
	handler := func(w http.ResponseWriter, r *http.Request) {
		c := Connections(r.Context())
		told <- c.Join("c1", "four")
		told <- c.Join("c1", "fives")
		told <- c.SendToAll(make([]byte, 300))
	}
	limits := []protocol.Limit{{Name: "wings", Value: 2}, {Name: "name", Value: 4}, {Name: "acts", Value: 400},
		{Name: "calls"}}
	h := startHost(t, protocol.Hello{Limits: limits}, http.HandlerFunc(handler))
	h.awaitReady()
	h.open(protocol.Request{})
	for i, want := range []string{"<nil>", "sdk: a group's name is 1 to 4 bytes, and this one 5", ErrTooMuch.Error()} {
		if err := <-told; fmt.Sprint(err) != want {
			t.Errorf("what was asked as number %d: %v, want %s", i+1, err, want)
		}
	}
	h.out.Close()
	<-h.gone
	h.in.Close()
}

func TestTheContextOfARequestTellsByWhenItIsToBeAnswered(t *testing.T) {
	type told struct {
		by time.Time
		ok bool
	}
	asked := make(chan told, 1)
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		by, ok := AnswerBy(r.Context())
		asked <- told{by, ok}
		// A context's deadline bounds it whatever goes on; the host's moves.
		if at, ok := r.Context().Deadline(); ok {
			t.Errorf("the context has the deadline %v", at)
		}
		longer, cancel := context.WithTimeout(r.Context(), time.Hour)
		defer cancel()
		if _, ok := longer.Deadline(); !ok {
			t.Error("a longer time-out of the handler's own is lost")
		}
	})
	for _, c := range []struct {
		deadline int64
		want     time.Duration
	}{{0, 0}, {30_000, 30 * time.Second}, {1, time.Millisecond}, {1<<63 - 1, 0}} {
		before := time.Now()
		h.open(protocol.Request{Deadline: c.deadline}).whole()
		got, after := <-asked, time.Now()
		if got.ok != (c.want > 0) || got.ok && (got.by.Before(before.Add(c.want)) || got.by.After(after.Add(c.want))) {
			t.Errorf("with %d ms: %v, %v", c.deadline, got.by, got.ok)
		}
	}
	if _, ok := AnswerBy(context.Background()); ok {
		t.Error("a context of no request has one")
	}
}
