package channel

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// fakeHub has members that are in one group, and get what is sent to it.
type fakeHub struct {
	mu      sync.Mutex
	members map[string]*member
	refuses error // of commits
	handed  bool  // another host has the connections
	later   int   // commits that went on to it
}

// member is a client's connection.
type member struct {
	got      []string
	position string
	lost     []string
}

func (h *fakeHub) CarryMore(_ protocol.Subject, acts []protocol.Act, more []hub.More) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.handed {
		return false, nil
	}
	if h.refuses != nil {
		return true, h.refuses
	}
	for i, a := range acts {
		switch m := a.(type) {
		case *protocol.Send:
			for _, c := range h.members {
				places := more[i].Places
				c.got, c.position = append(c.got, string(m.Bytes)), places[len(places)-1].Position
			}
		case *protocol.Join:
			c := &member{position: more[i].Position, lost: more[i].Lost}
			for _, p := range more[i].Past {
				c.got = append(c.got, string(p.Data))
			}
			h.members[m.Connection] = c
		}
	}
	return true, nil
}

func (h *fakeHub) Later(_ protocol.Subject, _ []protocol.Act, done func(error)) {
	h.later++
	done(nil)
}

// stage is a room over an engine in a folder.
type stage struct {
	*testing.T
	hub    *fakeHub
	engine *engine.Engine
	room   *Room
}

func newStage(t *testing.T, folder string, rules ...Rule) *stage {
	t.Helper()
	log := hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Debug})
	e := engine.New(engine.Settings{Folder: func() (string, error) { return folder, nil }, Name: t.Name(), Log: log,
		MaxMemory: 64 << 20, MaxDisk: 64 << 20})
	s := &stage{T: t, hub: &fakeHub{members: map[string]*member{}}, engine: e}
	s.room = NewRoom(s.hub, e, "default", log)
	s.room.Set(rules)
	t.Cleanup(s.end)
	return s
}

func (s *stage) end() {
	s.room.Close()
	s.engine.Close()
}

func (s *stage) commit(acts ...protocol.Act) error {
	done := make(chan error, 1)
	s.room.Commit(nil, acts, func(err error) { done <- err })
	return <-done
}

func send(group, text string) protocol.Act {
	return &protocol.Send{To: protocol.ToGroups, Names: []string{group}, Bytes: []byte(text)}
}

func (s *stage) send(group string, texts ...string) {
	s.Helper()
	for _, text := range texts {
		if err := s.commit(send(group, text)); err != nil {
			s.Fatal(err)
		}
	}
}

// join has a client come into groups, and gives what it has then.
func (s *stage) join(name, since string, groups ...string) *member {
	s.Helper()
	if err := s.commit(&protocol.Join{Connection: name, Groups: groups, Since: &since}); err != nil {
		s.Fatal(err)
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	m := *s.hub.members[name]
	return &m
}

func (s *stage) wants(m *member, lost bool, texts ...string) {
	s.Helper()
	if (len(m.lost) > 0) != lost || !slices.Equal(m.got, texts) {
		s.Fatalf("got %q, lost %q; want %q, lost %v", m.got, m.lost, texts, lost)
	}
}

func numbers(from, to int) (all []string) {
	for ; from <= to; from++ {
		all = append(all, fmt.Sprint(from))
	}
	return all
}

var errNo = errors.New("no")
