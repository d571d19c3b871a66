package hub

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestAnEventWhoseWorkersDiedClosesTheConnectionWith1011(t *testing.T) {
	for _, kind := range []protocol.FailureKind{protocol.FailedDied, protocol.FailedBroken, protocol.FailedTimeout,
		protocol.FailedDrained} {
		s := newScene(t)
		s.note(func(m protocol.Opening, _ *Connection) outcome {
			if describe(m) == "deadly" {
				return outcome{failure: &protocol.Failure{Kind: kind}}
			}
			return outcome{}
		})
		p := &fakePeer{}
		c := s.open(p)
		c.Deliver([]byte("fine"), false)
		c.Deliver([]byte("deadly"), false)
		c.Deliver([]byte("after"), false)
		if code, ended, _ := p.end(); code != protocol.CloseError || ended != 1 {
			t.Errorf("%s: the client was told %d, %d times", kind, code, ended)
		}
		if got, want := s.events(), []string{"OPEN", "fine", "deadly", "CLOSE 1011"}; !slices.Equal(got, want) {
			t.Errorf("%s: events %v, want %v", kind, got, want)
		}
		s.gone()
	}
}

func TestAHandlerThatFailsKeepsTheConnection(t *testing.T) {
	s := newScene(t)
	s.note(func(m protocol.Opening, _ *Connection) outcome {
		if describe(m) == "bad" {
			return outcome{failure: &protocol.Failure{Kind: protocol.FailedReset}}
		}
		return outcome{}
	})
	p := &fakePeer{}
	c := s.open(p)
	c.Deliver([]byte("bad"), false)
	c.Deliver([]byte("good"), false)
	if got, want := s.events(), []string{"OPEN", "bad", "good"}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	c.Closed(1000, "", true)
	s.gone()
}

func TestCloseComesExactlyOnceForEachConnectionThatOpened(t *testing.T) {
	died := &protocol.Failure{Kind: protocol.FailedDied}
	for name, c := range map[string]struct {
		do   func(s *scene, c *Connection, p *fakePeer)
		open outcome
		want []string
	}{
		"the client leaves": {func(_ *scene, c *Connection, _ *fakePeer) {
			c.Closed(1000, "", true)
			c.Closed(1000, "", true)
		}, outcome{}, []string{"OPEN", "CLOSE 1000"}},
		"it is hung up": {func(_ *scene, c *Connection, _ *fakePeer) {
			c.Hangup(4000, "x")
			c.Hangup(4001, "y")
		}, outcome{}, []string{"OPEN", "CLOSE 4000"}},
		"it is hung up and left": {func(_ *scene, c *Connection, p *fakePeer) {
			p.stay = true
			c.Hangup(4000, "x")
			c.Closed(1006, "", false)
		}, outcome{}, []string{"OPEN", "CLOSE 4000"}},
		"OPEN hangs up": {func(*scene, *Connection, *fakePeer) {},
			outcome{acts: []protocol.Act{&protocol.Hangup{Code: 4000}}}, []string{"OPEN", "CLOSE 4000"}},
		"OPEN refuses": {func(_ *scene, c *Connection, _ *fakePeer) {
			c.Closed(1000, "", true)
		}, outcome{response: &protocol.Response{Flags: protocol.FlagEnd, Status: 403}}, []string{"OPEN"}},
		"OPEN fails": {func(_ *scene, c *Connection, _ *fakePeer) {
			c.Closed(1000, "", true)
		}, outcome{failure: died}, []string{"OPEN"}},
		"a write fails": {func(s *scene, c *Connection, p *fakePeer) {
			p.broken = errCut
			s.commit(c, say("x"))
		}, outcome{}, []string{"OPEN", "CLOSE 1006"}},
		"messages wait, none taken": {func(_ *scene, c *Connection, _ *fakePeer) {
			c.Hangup(1000, "")
			c.Deliver(nil, false)
		}, outcome{}, []string{"OPEN", "CLOSE 1000"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.note(func(m protocol.Opening, _ *Connection) outcome {
				if describe(m) == "OPEN" {
					return c.open
				}
				return outcome{}
			})
			p := &fakePeer{}
			conn := s.add(p)
			conn.Open(nil, func(a Admission) {
				if a.Accepted {
					conn.Opened()
				}
			})
			c.do(s, conn, p)
			if got := s.events(); !slices.Equal(got, c.want) {
				t.Errorf("events %v, want %v", got, c.want)
			}
			s.gone()
		})
	}
}

func TestAClientThatLeavesDuringOpen(t *testing.T) {
	t.Run("before a worker had it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.pool.atOnce, s.pool.free = false, make(chan struct{})
			s.note(nil)
			c := s.add(&fakePeer{})
			var got Admission
			c.Open(nil, func(a Admission) { got = a })
			c.Closed(1006, "", false)
			synctest.Wait()
			if got.Failure == nil || got.Failure.Kind != protocol.FailedCancelled || len(s.events()) > 0 {
				t.Errorf("answer %+v, events %v", got, s.events())
			}
			s.gone()
		})
	})
	t.Run("while a worker has it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.pool.atOnce = false
			var closing *protocol.Close
			s.note(func(m protocol.Opening, _ *Connection) outcome {
				if m, ok := m.(*protocol.Close); ok {
					copied := *m
					closing = &copied
					return outcome{}
				}
				time.Sleep(time.Second)
				return outcome{acts: []protocol.Act{
					&protocol.Join{Groups: []string{"lobby"}}, &protocol.Bind{UID: "u"},
					&protocol.Set{Set: []protocol.Entry{{Key: "k", Value: protocol.Value{1}}}},
				}}
			})
			c := s.add(&fakePeer{})
			c.Open(nil, func(a Admission) { c.Opened() })
			synctest.Wait()
			c.Closed(1006, "", false)
			time.Sleep(time.Minute)
			synctest.Wait()
			if got, want := s.events(), []string{"OPEN", "CLOSE 1006"}; !slices.Equal(got, want) {
				t.Fatalf("events %v, want %v", got, want)
			}
			if v := closing.Connection; v.UID != "u" || !slices.Equal(v.Groups, []string{"lobby"}) ||
				len(v.Session) != 1 {
				t.Errorf("CLOSE tells of %+v, not of what OPEN's handler had set", v)
			}
			s.gone()
		})
	})
}

func TestNothingIsSentOrDeliveredBeforeTheClientKnows(t *testing.T) {
	s := newScene(t)
	s.note(func(m protocol.Opening, _ *Connection) outcome {
		if describe(m) == "OPEN" {
			return outcome{acts: []protocol.Act{&protocol.Join{Groups: []string{"g"}}, say("welcome"),
				&protocol.Send{To: protocol.ToGroups, Names: []string{"g"}, Bytes: []byte("all")}}}
		}
		return outcome{}
	})
	p := &fakePeer{encoding: tags}
	c := s.add(p)
	c.Open(nil, func(Admission) {})
	c.Deliver([]byte("early"), false)
	s.commit(nil, &protocol.Send{To: protocol.ToAll, Bytes: []byte("more")})
	if got := p.text(); got != "" {
		t.Errorf("%q was sent too early", got)
	}
	if got := s.events(); len(got) != 1 {
		t.Errorf("events %v came too early", got)
	}
	c.Opened()
	if got, want := p.text(), "[welcome][all][more]"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	if got, want := s.events(), []string{"OPEN", "early"}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	c.Closed(1000, "", true)
	s.gone()
}

func TestFinishHangsUpWhenAllHasBeenHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.pool.atOnce = false
		s.pool.traits.AtMostOnce = true
		s.note(func(m protocol.Opening, _ *Connection) outcome {
			time.Sleep(time.Second)
			if m, ok := m.(*protocol.Incoming); ok {
				return outcome{acts: []protocol.Act{say(strings.ToUpper(describe(m)))}}
			}
			return outcome{}
		})
		p := &fakePeer{}
		c := s.open(p)
		for _, m := range []string{"a", "b", "c"} {
			c.Deliver([]byte(m), false)
		}
		c.Finish(1000, "")
		c.Finish(1001, "")
		if c.Deliver([]byte("late"), false) {
			t.Error("a message was taken after the last one")
		}
		time.Sleep(2500 * time.Millisecond)
		s.commit(nil, &protocol.Send{To: protocol.ToAll, Bytes: []byte("news")})
		time.Sleep(time.Minute)
		synctest.Wait()
		if code, ended, _ := p.end(); p.text() != "ABnewsC" || ended != 1 || code != 1000 {
			t.Errorf("got %q, then the end %d times, with %d", p.text(), ended, code)
		}
		if got, want := s.events(), []string{"OPEN", "a", "b", "c", "CLOSE 1000"}; !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
		s.gone()
		idle := &fakePeer{}
		s.open(idle)
		idle.c.Finish(1000, "")
		synctest.Wait()
		if _, ended, _ := idle.end(); ended != 1 {
			t.Error("one with nothing to handle was not hung up")
		}
		gone := &fakePeer{}
		s.open(gone)
		gone.c.Deliver([]byte("x"), false)
		gone.c.Finish(1000, "")
		gone.c.Closed(1006, "", false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.events(); got[len(got)-1] != "CLOSE 1006" {
			t.Errorf("events %v", got)
		}
		s.gone()
	})
}

func TestTallies(t *testing.T) {
	s := newScene(t)
	s.pool.handle = func(m protocol.Opening, c *Connection) outcome {
		if m, ok := m.(*protocol.Incoming); ok {
			return outcome{acts: []protocol.Act{say(describe(m) + "!")}}
		}
		return outcome{}
	}
	a, b := s.open(&fakePeer{}), s.open(&fakePeer{})
	a.Deliver([]byte("one"), false)
	b.Deliver([]byte("two"), false)
	b.Closed(1000, "", true)
	b.Closed(1001, "", true)
	for range 2 {
		all := s.hub.Tallies()
		if len(all) != 1 {
			t.Fatalf("%d tallies, want 1", len(all))
		}
		if n := all[0]; n.Open != 1 || n.Opened != 2 || n.Closed[1000] != 1 || len(n.Closed) != 1 ||
			n.MessagesIn != 2 || n.BytesIn != 6 || n.MessagesOut != 2 || n.BytesOut != 8 {
			t.Errorf("got %+v", n)
		}
	}
	if n := s.hub.Reach(protocol.ToAll, nil, []string{a.ID()}); n != 0 {
		t.Errorf("a message to all but one would reach %d", n)
	}
	a.Closed(1000, "", true)
	s.gone()
}

func TestWorkersThatHandleFewEventsGetNoOthers(t *testing.T) {
	for name, c := range map[string]struct {
		events protocol.Events
		want   []string
	}{
		"none of them":  {protocol.Events{}, nil},
		"MESSAGE alone": {protocol.Events{Message: true}, []string{"m"}},
		"CLOSE alone":   {protocol.Events{Close: true}, []string{"CLOSE 1000"}},
		"OPEN alone":    {protocol.Events{Open: true}, []string{"OPEN"}},
	} {
		s := newScene(t)
		s.pool.traits.Events = c.events
		s.note(nil)
		p := &fakePeer{}
		conn := s.open(p)
		s.commit(nil, &protocol.Send{To: protocol.ToAll, Bytes: []byte("x")})
		conn.Deliver([]byte("m"), false)
		conn.Closed(1000, "", true)
		if got := s.events(); !slices.Equal(got, c.want) || p.text() != "x" {
			t.Errorf("%s: events %v, want %v; sent %q", name, got, c.want, p.text())
		}
		s.gone()
	}
}

func TestOpeningAConnectionThatHasClosedFails(t *testing.T) {
	s := newScene(t)
	s.note(nil)
	c := s.add(&fakePeer{})
	c.Closed(1006, "", false)
	var got Admission
	c.Open(nil, func(a Admission) { got = a })
	if got.Failure == nil || len(s.events()) > 0 {
		t.Errorf("answer %+v, events %v", got, s.events())
	}
	s.gone()
}

// asking are terms of a generation whose responses all ask for a fetch.
type asking struct{}

func (asking) Asks(*protocol.Response) bool { return true }

func TestARefusalThatAsksForAFetchReachesNoClient(t *testing.T) {
	s := newScene(t)
	s.pool.terms = asking{}
	s.note(func(protocol.Opening, *Connection) outcome {
		return outcome{response: &protocol.Response{Flags: protocol.FlagEnd, Status: 403, Body: []byte("secret")}}
	})
	s.add(&fakePeer{}).Open(nil, func(a Admission) {
		if a.Accepted || a.Failure == nil || a.Failure.Kind != protocol.FailedFetch {
			t.Errorf("the client gets %+v", a)
		}
	})
	s.gone()
}
