package cache

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// noting notes what it commits.
type noting struct {
	protocol.Hub
	note func(string)
	err  error
}

func (n *noting) Commit(_ protocol.Subject, acts []protocol.Act, done func(error)) {
	for _, act := range acts {
		n.note(act.Type().String())
	}
	done(n.err)
}

// stored are the URLs that something is stored of.
func stored(s *Store) (urls []string) {
	for key, in := range s.slots.All() {
		if in.entry != nil {
			_, url := splitKey(key)
			urls = append(urls, url)
		}
	}
	return urls
}

func TestWhatAWorkerPurgesIsInEffectBeforeItsOtherActs(t *testing.T) {
	_, r := fill(t)
	var said []string
	hub := &noting{note: func(s string) {
		said = append(said, fmt.Sprintf("%s with %d stored", s, len(stored(r.store))))
	}, err: fmt.Errorf("no session")}
	before := Hub(hub, func(all []*protocol.Purge, done func()) { r.store.Later("default", all, done) })
	commit := func(acts ...protocol.Act) error {
		ended := make(chan error, 1)
		before.Commit(nil, acts, func(err error) { ended <- err })
		return <-ended
	}
	if err := commit(&protocol.Send{}, &protocol.Purge{URLs: []string{"/b*"}}, &protocol.Join{},
		&protocol.Purge{Tags: []string{"blog"}}); err != hub.err {
		t.Error(err)
	}
	if err := commit(&protocol.Purge{All: true}); err != nil {
		t.Error(err)
	}
	if err := commit(&protocol.Leave{}); err != hub.err {
		t.Error(err)
	}
	want := []string{"SEND with 1 stored", "JOIN with 1 stored", "LEAVE with 0 stored"}
	if !slices.Equal(said, want) {
		t.Errorf("%q", said)
	}
	for _, m := range []*protocol.Purge{{URLs: []string{"blog"}}, {Tags: []string{""}},
		{Tags: make([]string, 1001)}} {
		if err := commit(&protocol.Send{}, m); err == nil || !strings.HasPrefix(err.Error(), "PURGE: ") {
			t.Error(err)
		}
	}
	if len(said) != len(want) {
		t.Errorf("%q was done beside what can't be", said[len(want):])
	}
}

func TestAStoreTellsOthersWhatItPurgesAndNotWhatItHears(t *testing.T) {
	_, r := fill(t)
	var told []string
	r.store.Tell = func(realm string, m *protocol.Purge) { told = append(told, fmt.Sprint(realm, m.Tags, m.URLs)) }
	r.store.Hear("default", &protocol.Purge{Tags: []string{"blog"}})
	var all sync.WaitGroup
	all.Add(2)
	r.store.Later("default", []*protocol.Purge{{Tags: []string{"none"}}, {URLs: []string{"/b"}}}, all.Done)
	r.store.Later("other", []*protocol.Purge{{Tags: []string{"shop"}}}, all.Done)
	all.Wait() // what was heard before is in effect, too
	ask1(r, "PURGE /c/d")
	if want := []string{"default[none] []", "default[] [/b]", "other[shop] []",
		"default[] [http://example.org/c/d https://example.org/c/d]"}; !slices.Equal(told, want) {
		t.Errorf("%q", told)
	}
	if all := stored(r.store); len(all) != 1 || all[0] != "https://example.org/b?x=1" {
		t.Errorf("%q is left", all)
	}
	if n := r.store.Counts().Purged; n != 3 {
		t.Errorf("%d are counted", n)
	}
}
