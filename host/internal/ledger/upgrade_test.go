package ledger

import (
	"slices"
	"testing"

	"github.com/workerhost/workerhost/host/internal/hub"
)

// heir is asked nothing.
type heir struct{ hub.Heir }

func TestWhatTheNextProcessHasIsItsOwnThoughTheOneBeforeIsKilled(t *testing.T) {
	folder := t.TempDir()
	one, before := start(t, folder, "one"), start(t, folder, "two")
	c := before.open("ada", "room")
	c.WithSocket()
	one.noted(1)
	next := start(t, folder, "two") // of the same host
	one.eventually("three lives", func() bool { return one.count("life.*") == 3 })
	departure, err := before.hub.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	peer := &fakePeer{}
	arrival := next.hub.Arrive()
	if peer.c, err = arrival.Add(c.Record(), peer, next.terms, true, nil); err != nil {
		t.Fatal(err)
	}
	arrival.Land()
	before.dies() // it can't say that it has it no more
	departure.Hand(heir{})
	one.eventually("two lives", func() bool { return one.count("life.*") == 2 })
	one.noted(1)
	if got := slices.Concat(one.handled(), before.handled(), next.handled()); len(got) > 0 {
		t.Fatalf("%q", got)
	}
	next.dies()
	one.eventually("its CLOSE", func() bool { return slices.Equal(one.handled(), []string{left("ada", "room")}) })
	one.noted(0)
}
