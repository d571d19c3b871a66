package dial

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// wants waits until the dial of a name stands, or is tried, with a path.
func (s *stage) wants(name, path string) {
	s.Helper()
	s.until(name+" is to have "+path, func(all []State) bool {
		return slices.ContainsFunc(all, func(d State) bool { return d.Name == name && strings.HasSuffix(d.URL, path) })
	})
}

// rolls has a reload of the pool to a generation begin, or end with which is live.
func (s *stage) rolls(live, coming uint64) {
	s.live.Store(live)
	if s.coming.Store(coming); coming == 0 {
		s.room.Amend(s.owner, s.fence)
	}
}

// at is a dial of the name prices that never comes to stand.
func (s *stage) at(server *server, path string) protocol.Dial {
	return s.dial(server.url("ws", path), "prices", func(d *protocol.Dial) { d.ConnectTimeout = 60000 })
}

func TestAReloadsNewCodeDecidesAndWhatServesAgainAfterIt(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.rolls(4, 0)
	s.opens(s.owner, 4, s.at(server, "/four"), protocol.DialBegun)
	s.rolls(4, 5)
	s.opens(s.owner, 5, s.at(server, "/five"), protocol.DialReplaced)
	s.opens(s.owner, 4, s.at(server, "/four"), protocol.DialThere) // one that has died comes back
	s.wants("prices", "/five")
	s.rolls(4, 0) // the reload has failed
	s.wants("prices", "/four")
	if !strings.Contains(s.logged.String(), "goes back to what the code that serves has asked for") {
		t.Errorf("the log has only\n%s", s.logged)
	}
	s.rolls(4, 6)
	s.opens(s.owner, 6, s.at(server, "/six"), protocol.DialReplaced)
	s.rolls(6, 0)
	s.wants("prices", "/six")
	s.opens(s.owner, 4, s.at(server, "/late"), protocol.DialThere) // of a worker that still drains
	s.wants("prices", "/six")
	s.rolls(6, 4) // a roll back
	s.opens(s.owner, 4, s.at(server, "/four"), protocol.DialReplaced)
	s.opens(s.owner, 6, s.at(server, "/six"), protocol.DialThere)
	s.rolls(4, 0)
	s.wants("prices", "/four")
	s.rolls(6, 0) // and forward again, to workers that were parked
	s.wants("prices", "/six")
}

func TestWhatOnlyCodeHasAskedForThatIsGoneStaysUntilWhatServesSaysOtherwise(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.rolls(4, 5)
	s.opens(s.owner, 5, s.at(server, "/five"), protocol.DialBegun)
	s.rolls(4, 0)
	s.rolls(4, 0)
	s.wants("prices", "/five")
	if n := strings.Count(s.logged.String(), "dials stay that only newer code has asked for"); n != 1 {
		t.Errorf("it is told %d times\n%s", n, s.logged)
	}
	s.opens(s.owner, 4, s.at(server, "/four"), protocol.DialReplaced)
	s.wants("prices", "/four")
}

func TestACanarysWordHoldsNoNameAgainstThePools(t *testing.T) {
	s, server := newStage(t), newServer(t)
	canary := &Owner{Pool: "app", Backend: s.crew, Most: s.owner.Most, Serving: s.serving, Provisional: true,
		Of: s.owner}
	s.rolls(4, 0)
	s.opens(canary, 5, s.at(server, "/five"), protocol.DialBegun)
	s.opens(canary, 5, s.at(server, "/five"), protocol.DialThere)
	s.rolls(4, 0) // it is given up
	s.opens(s.owner, 4, s.at(server, "/four"), protocol.DialReplaced)
	s.opens(canary, 6, s.at(server, "/six"), protocol.DialThere)
	s.opens(canary, 6, s.at(server, "/four"), protocol.DialThere)
	s.wants("prices", "/four")
	s.opens(s.owner, 4, s.at(server, "/five"), protocol.DialReplaced)
}

func TestADialGoesBackOnlyToWhatMayBeDialed(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.rolls(4, 0)
	s.opens(s.owner, 4, s.at(server, "/four"), protocol.DialBegun)
	s.rolls(4, 5)
	s.opens(s.owner, 5, s.at(server, "/five"), protocol.DialReplaced)
	s.live.Store(4)
	s.room.Amend(s.owner, nil)
	s.until("it is hung up", func(all []State) bool { return len(all) == 0 })
}

func TestTheWordsOfADialAreBounded(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.rolls(1, 0)
	s.opens(s.owner, 1, s.at(server, "/1"), protocol.DialBegun)
	for g := uint64(2); g <= 30; g++ { // none of them comes to be live
		s.rolls(1, g)
		s.opens(s.owner, g, s.at(server, "/"+strings.Repeat("x", int(g))), protocol.DialReplaced)
	}
	s.room.mu.Lock()
	words := slices.Sorted(maps.Keys(s.room.dials["prices"].words))
	s.room.mu.Unlock()
	if len(words) != mostWords || words[0] != 1 || words[1] != 24 {
		t.Errorf("it keeps those of %d", words)
	}
	s.rolls(1, 0)
	s.wants("prices", "/1")
	s.asks(s.owner, 1, protocol.CallDialClose, text("prices"))
	s.until("it is gone", func(all []State) bool { return len(all) == 0 })
}
