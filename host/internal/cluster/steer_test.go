package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/engine"
)

// order has the second host carry one out, and gives the answer.
func (h *host) order(of *host, path string) (answer string, err error) {
	err = h.room.Order(h.t.Context(), of.room.own(), Order{Path: path}, func(p Part) error {
		answer += string(p.Data)
		return nil
	})
	return answer, err
}

// TestAnAnswerComesWholeThoughTheEngineMoves has the process that answers lose its engine to the one that comes after
// it, as in an upgrade that it was asked for, and end soon after its last word.
func TestAnAnswerComesWholeThoughTheEngineMoves(t *testing.T) {
	all := hosts(t, 2)
	begun, moved, ended, times := make(chan bool), make(chan bool), make(chan bool), 0
	all[1].obeys(func(o Order, part func(Part)) {
		times++
		part(Part{Status: 200, Data: []byte(o.Path)})
		close(begun)
		for i := range 100 {
			if i == 50 {
				<-moved
			}
			part(Part{Data: fmt.Appendf(nil, "%d,", i)})
		}
		part(Part{End: true})
	})
	want := "/upgrade:"
	for i := range 100 {
		want += fmt.Sprintf("%d,", i)
	}
	next := engine.New(all[1].settings)
	t.Cleanup(next.Close)
	go func() {
		<-begun
		all[1].room.Yield()
		all[1].engine.Yield()
		close(moved) // and nobody is there yet who could be told
		if _, err := next.Conn(t.Context()); err != nil {
			t.Error(err)
		}
		all[1].room.Close()
		close(ended)
	}()
	got, err := all[0].order(all[1], "/upgrade:")
	if got != want || err != nil || times != 1 {
		t.Fatalf("%q %v, ordered %d times", got, err, times)
	}
	<-ended
	all[1].room.mu.Lock()
	defer all[1].room.mu.Unlock()
	if len(all[1].room.errands) > 0 {
		t.Fatal("the order is kept still")
	}
}

func TestAnOrderIsForTheProcessThatWasThereWhenItWasGiven(t *testing.T) {
	all := hosts(t, 2)
	all[1].obeys(func(_ Order, part func(Part)) { part(Part{Status: 200, End: true}) })
	if _, err := all[0].order(all[1], "/"); err != nil {
		t.Fatal(err)
	}
	all[1].room.yielded.Store(true)
	_, err := all[0].order(all[1], "/")
	if err == nil || !strings.Contains(err.Error(), "host-1 has another process now") {
		t.Fatal(err)
	}
	all[1].room.yielded.Store(false)
	large := strings.Repeat("x", 256<<10)
	all[1].obeys(func(_ Order, part func(Part)) {
		for range 32 { // more than is kept
			part(Part{Data: []byte(large)})
		}
		part(Part{End: true})
	})
	got, err := all[0].order(all[1], "/")
	if len(got) != 8<<20 || err != nil {
		t.Fatal(len(got), err)
	}
	enough := errors.New("enough")
	err = all[0].room.Order(t.Context(), all[1].room.own(), Order{}, func(Part) error { return enough })
	if err != enough {
		t.Fatal(err)
	}
}
