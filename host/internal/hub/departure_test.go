package hub

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestAFrozenHubChangesNothingUntilItThaws(t *testing.T) {
	s := newScene(t)
	s.pool.atOnce = false
	s.terms.Inbox = 100
	s.note(func(protocol.Opening, *Connection) outcome { return outcome{} })
	p := &fakePeer{}
	c := s.open(p)
	d, err := s.hub.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 { // more than its inbox has room for: a reader must not be kept
		c.Deliver(fmt.Appendf(nil, "message %d", i), false)
	}
	done := make(chan error, 2)
	s.hub.Commit(c, []protocol.Act{say("sent")}, func(err error) { done <- err })
	s.hub.Commit(nil, []protocol.Act{&protocol.Join{Connection: c.ID(), Groups: []string{"g"}}},
		func(err error) { done <- err })
	c.Hangup(protocol.CloseNormal, "")
	if n := s.hub.Count("g", false); n != 0 || len(done) > 0 || p.text() != "" {
		t.Errorf("%d are in the group, %d commits are done, %q was sent", n, len(done), p.text())
	}
	if events := s.events(); len(events) != 1 { // OPEN
		t.Errorf("events were submitted: %q", events)
	}
	if _, err := s.hub.Freeze(); err == nil {
		t.Error("it could be frozen twice")
	}
	d.Thaw()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	s.wait(func() bool { return p.text() == "sent" && len(s.events()) >= 2 })
	s.wait(func() bool { _, ended, _ := p.end(); return ended == 1 })
	s.wait(func() bool { return s.hub.Count("", true) == 0 })
}

func TestAHubWhoseConnectionsAreBeingClosedIsNotFrozen(t *testing.T) {
	s := newScene(t)
	s.open(&fakePeer{stay: true})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.hub.Shutdown(ctx, 0, nil)
	}()
	s.wait(func() bool {
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		return len(s.hub.stops) > 0
	})
	if _, err := s.hub.Freeze(); err == nil {
		t.Error("it was frozen")
	}
	cancel()
	<-ended
	d, err := s.hub.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	d.Thaw()
}

// noHeir takes all and does nothing.
type noHeir struct{ commits, done chan string }

func (h noHeir) Commit(subject string, _ bool, _ []protocol.Act, done func(error)) {
	h.commits <- subject
	done(nil)
}
func (h noHeir) Call(_ *protocol.Call, to protocol.Caller) { to.Reply(&protocol.Result{}) }
func (h noHeir) Swap(_ *protocol.Swap, to protocol.Caller) { to.Reply(&protocol.Result{}) }
func (h noHeir) Done(id string, o Outcome)                 { h.done <- fmt.Sprint(id, o.Undone, len(o.Again)) }
func (h noHeir) Open(*Connection)                          {}
func (h noHeir) Hold(*Connection)                          {}
func (h noHeir) Closed(string, int, string, bool)          {}

func TestWhatIsHandedOverEndsWithoutACLOSEAndItsEventsAreTold(t *testing.T) {
	for _, failure := range []*protocol.Failure{nil, {Kind: protocol.FailedStopping}} {
		s := newScene(t)
		s.pool.atOnce = false
		s.note(func(m protocol.Opening, c *Connection) outcome {
			if _, ok := m.(*protocol.Incoming); ok {
				return outcome{failure: failure}
			}
			return outcome{}
		})
		p := &fakePeer{}
		c := s.open(p)
		free := make(chan struct{})
		s.pool.free = free
		c.Deliver([]byte("x"), false)
		s.wait(func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.turn == awaiting
		})
		d, err := s.hub.Freeze()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if !d.Settle(ctx, c) {
			t.Error("it does not come to rest")
		}
		if r := c.Record(); r.Handles != "message" || len(r.Inbox) != 0 {
			t.Errorf("%+v", r)
		}
		c.WithSocket()
		h := noHeir{make(chan string, 1), make(chan string, 1)}
		d.Hand(h)
		close(free)
		want := fmt.Sprint(c.ID(), failure != nil, 0)
		if failure != nil {
			want = fmt.Sprint(c.ID(), true, 1)
		}
		if got := <-h.done; got != want {
			t.Errorf("the heir was told %s, not %s", got, want)
		}
		s.hub.Commit(c, []protocol.Act{say("late")}, func(error) {})
		if got := <-h.commits; got != c.ID() {
			t.Errorf("the acts were %q's", got)
		}
		c.Closed(protocol.CloseNormal, "", true)
		s.gone()
		if events := s.events(); len(events) != 2 || p.text() != "" {
			t.Errorf("%q, %q", events, p.text())
		}
	}
}
