package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// inherited is a connection of a host that has died.
func inherited() *protocol.Connection {
	return &protocol.Connection{ID: "elsewhere-1", Protocol: protocol.ProtoWebSocket, Remote: "192.0.2.1:1",
		Listener: ":80", UID: "ada", Groups: []string{"room"}, Session: []protocol.Entry{{Key: "k", Value: nil}}}
}

func TestTheCloseOfAnInheritedConnectionIsAllThatComesOfIt(t *testing.T) {
	s := newScene(t)
	var got protocol.Close
	other := s.open(&fakePeer{encoding: tags})
	s.commit(other, &protocol.Join{Groups: []string{"room"}})
	s.note(func(m protocol.Opening, c *Connection) outcome {
		got = *m.(*protocol.Close)
		return outcome{acts: []protocol.Act{say("to the one who is gone"), &protocol.Join{Groups: []string{"new"}},
			&protocol.Send{To: protocol.ToGroups, Names: []string{"room"}, Bytes: []byte("left")}}}
	})
	before := fmt.Sprint(s.hub.Tallies())
	done := 0
	if err := s.hub.Inherit(inherited(), s.terms, func() { done++ }); err != nil {
		t.Fatal(err)
	}
	if got.Attempt != 2 || got.Code != protocol.CloseBroken || got.Connection.UID != "ada" ||
		!slices.Equal(got.Connection.Groups, []string{"room"}) || len(got.Connection.Session) != 1 ||
		got.Connection.ID != "elsewhere-1" || got.Connection.Listener != ":80" {
		t.Errorf("%+v", got)
	}
	if done != 1 || !slices.Equal(s.events(), []string{"CLOSE 1006"}) {
		t.Errorf("done %d times, after %q", done, s.events())
	}
	if text := other.peer.(*fakePeer).text(); text != "[left]" {
		t.Errorf("others in its group got %q", text)
	}
	if s.hub.Get("elsewhere-1") != nil || len(s.hub.List()) != 1 {
		t.Error("it is there, as if it were open")
	}
	if after := fmt.Sprint(s.hub.Tallies()); strings.Count(after, ":80 ") != strings.Count(before, ":80 ") {
		t.Errorf("it is counted: %s", after)
	}
	other.peer.Abort()
	s.gone()
}

func TestAShutdownWaitsForWhatIsInherited(t *testing.T) {
	s := newScene(t)
	s.note(nil)
	s.pool.atOnce, s.pool.free = false, make(chan struct{})
	ended := make(chan struct{})
	if err := s.hub.Inherit(inherited(), s.terms, func() { close(ended) }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if left := s.hub.Shutdown(ctx, 0, nil); left != 1 {
		t.Errorf("%d are left", left)
	}
	close(s.pool.free)
	<-ended
	if left := s.hub.Shutdown(t.Context(), 0, nil); left != 0 {
		t.Errorf("%d are left", left)
	}
	s.gone()
}

func TestAHubThatIsHandedOverInheritsNothing(t *testing.T) {
	s := newScene(t)
	d, err := s.hub.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.hub.Inherit(inherited(), s.terms, nil); err == nil {
		t.Error("it has")
	}
	d.Thaw()
	v := inherited()
	v.UID = strings.Repeat("u", protocol.MaxName+1)
	if err := s.hub.Inherit(v, s.terms, nil); err == nil {
		t.Error("one that can't be is taken")
	}
	s.gone()
}

func TestADisownedConnectionEndsWithoutAClose(t *testing.T) {
	s := newScene(t)
	s.note(nil)
	p, q := &fakePeer{}, &fakePeer{}
	c := s.open(p)
	late := s.open(q)
	s.pool.atOnce, s.pool.free = false, make(chan struct{})
	late.Deliver([]byte("one that is handled"), false)
	late.Closed(protocol.CloseNormal, "", true)
	c.Disown()
	late.Disown() // its CLOSE waits behind
	close(s.pool.free)
	s.wait(func() bool { s.hub.mu.Lock(); defer s.hub.mu.Unlock(); return len(s.hub.away) == 0 })
	if code, ended, _ := p.end(); code != protocol.CloseRestart || ended != 1 {
		t.Errorf("it was told %d, %d times", code, ended)
	}
	for _, e := range s.events() {
		if strings.HasPrefix(e, "CLOSE") {
			t.Errorf("%q", s.events())
		}
	}
	s.gone()
}

// stages is a watcher of what becomes of connections.
type stages struct{ all []string }

func (s *stages) Group(string, bool)  {}
func (s *stages) User(string, bool)   {}
func (s *stages) Origin(string, bool) {}
func (s *stages) Changed(c *Connection) {
	there, ended := c.Stage()
	s.all = append(s.all, fmt.Sprintf("%v %v", there, ended))
}

func TestAWatcherLearnsThatAConnectionIsOverOnceItsCloseIs(t *testing.T) {
	s := newScene(t)
	w := &stages{}
	s.hub.Watch(w)
	p := &fakePeer{}
	c := s.open(p)
	s.pool.atOnce, s.pool.free = false, make(chan struct{})
	c.Closed(protocol.CloseNormal, "", true)
	s.hub.mu.Lock()
	if got := strings.Join(w.all, ", "); got != "true false, false false" {
		t.Errorf("while CLOSE is under way: %s", got)
	}
	s.hub.mu.Unlock()
	close(s.pool.free)
	s.wait(func() bool { s.hub.mu.Lock(); defer s.hub.mu.Unlock(); return len(w.all) == 3 })
	if w.all[2] != "false true" {
		t.Error(w.all)
	}

	w.all = nil
	s.pool.atOnce = true
	s.open(&fakePeer{}).WithSocket()
	d, err := s.hub.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	d.Hand(nobodysHeir{})
	if got := strings.Join(w.all, ", "); got != "true false, false true" {
		t.Errorf("of one that another process has: %s", got)
	}
}

// nobodysHeir is asked nothing.
type nobodysHeir struct{ Heir }
