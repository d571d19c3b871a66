package hub

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestShutdownSpreadsItsFarewells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.pool.atOnce = false
		s.note(func(m protocol.Opening, _ *Connection) outcome {
			time.Sleep(time.Second)
			return outcome{}
		})
		var peers []*fakePeer
		for range 100 {
			p := &fakePeer{}
			s.add(p).Open(nil, func(a Admission) { p.c.Opened() })
			peers = append(peers, p)
		}
		time.Sleep(2 * time.Second)
		late := &fakePeer{} // its OPEN is under way when the shutdown begins
		s.add(late).Open(nil, func(a Admission) { late.c.Opened() })
		synctest.Wait()
		start := time.Now()
		go func() {
			time.Sleep(5 * time.Second)
			ended := 0
			var open *Connection
			for _, p := range peers {
				if code, n, _ := p.end(); n == 1 && code == protocol.CloseGoing {
					ended++
				} else {
					open = p.c
				}
			}
			if ended < 48 || ended > 52 {
				t.Errorf("after half the time, %d of 100 have been told", ended)
			}
			open.Deliver([]byte("last words"), false)
		}()
		if left := s.hub.Shutdown(context.Background(), 10*time.Second, nil); left != 0 {
			t.Errorf("%d are left", left)
		}
		if d := time.Since(start); d < 9*time.Second || d > 12*time.Second {
			t.Errorf("it took %s", d)
		}
		if code, _, _ := late.end(); code != protocol.CloseGoing {
			t.Errorf("the late one was told %d", code)
		}
		if got := strings.Join(s.events(), ","); strings.Count(got, "CLOSE 1001") != 101 ||
			!strings.Contains(got, "last words") {
			t.Errorf("%d were closed, or the last words got lost", strings.Count(got, "CLOSE 1001"))
		}
		s.gone()
	})
}

func TestShutdownIsBoundedAndAbortsWhoIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		stuck, other := &fakePeer{stay: true}, &fakePeer{}
		s.open(stuck)
		s.open(other)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		only := func(c *Connection) bool { return c == stuck.c }
		if left := s.hub.Shutdown(ctx, 0, only); left != 1 {
			t.Errorf("%d are left, want 1", left)
		}
		if _, ended, aborted := stuck.end(); ended != 1 || aborted == 0 {
			t.Errorf("ended %d times, aborted %d times", ended, aborted)
		}
		if _, ended, _ := other.end(); ended != 0 {
			t.Error("one that was not chosen was closed")
		}
		other.c.Closed(1000, "", true)
		s.gone()
	})
}

func TestShutdownEndsEarlyWhenAllHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		var peers []*fakePeer
		for range 10 {
			p := &fakePeer{}
			s.open(p)
			peers = append(peers, p)
		}
		go func() {
			time.Sleep(time.Second)
			for _, p := range peers {
				p.c.Closed(1001, "", true)
			}
		}()
		start := time.Now()
		s.hub.Shutdown(context.Background(), time.Hour, nil)
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("it took %s", d)
		}
		s.gone()
	})
}

func TestShutdownClosesThoseThatComeMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.pool.handle = func(m protocol.Opening, _ *Connection) outcome {
			if _, ok := m.(*protocol.Open); ok {
				return outcome{acts: []protocol.Act{&protocol.Join{Groups: []string{"g"}}, say("welcome")}}
			}
			return outcome{}
		}
		for range 2 {
			s.open(&fakePeer{})
		}
		late, held := &fakePeer{}, &fakePeer{cut: make(chan struct{})}
		go func() {
			time.Sleep(time.Second)
			s.add(late).Open(nil, func(Admission) { late.c.Opened() })
			c, err := s.hub.Hold(held, Card{}, s.terms, &protocol.Hold{})
			if err != nil {
				t.Error(err)
			}
			held.c = c
			c.Opened()
		}()
		if left := s.hub.Shutdown(t.Context(), 4*time.Second, nil); left != 0 {
			t.Errorf("%d are left", left)
		}
		for _, p := range []*fakePeer{late, held} {
			if code, ended, _ := p.end(); code != protocol.CloseGoing || ended != 1 {
				t.Errorf("one that came meanwhile was told %d, %d times", code, ended)
			}
		}
		if late.text() != "welcome" {
			t.Errorf("it got %q", late.text())
		}
		s.gone()
	})
}

func TestShutdownLetsClientsHaveTheAnswersToWhatTheyHaveSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.pool.atOnce = false
		s.pool.handle = func(m protocol.Opening, _ *Connection) outcome {
			if m, ok := m.(*protocol.Incoming); ok {
				if string(m.Bytes) == "slow" {
					time.Sleep(time.Hour)
				}
				time.Sleep(time.Second)
				return outcome{acts: []protocol.Act{say("answer")}}
			}
			return outcome{}
		}
		quick, slow := &fakePeer{}, &fakePeer{}
		for _, p := range []*fakePeer{quick, slow} {
			s.add(p).Open(nil, func(Admission) { p.c.Opened() })
		}
		synctest.Wait()
		quick.c.Deliver([]byte("quick"), false)
		slow.c.Deliver([]byte("slow"), false)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		go func() {
			time.Sleep(500 * time.Millisecond)
			if quick.c.Deliver([]byte("too late"), false) {
				t.Error("what came during the farewell was taken")
			}
			time.Sleep(time.Second)
			if code, _, _ := quick.end(); code != protocol.CloseGoing || quick.text() != "answer" {
				t.Errorf("it got %q, and was told %d", quick.text(), code)
			}
			if _, ended, _ := slow.end(); ended != 0 {
				t.Error("one whose message is being handled was closed before")
			}
			time.Sleep(9 * time.Second)
			if code, ended, _ := slow.end(); code != protocol.CloseGoing || ended != 1 {
				t.Errorf("after half of the time one whose handler hangs was told %d, %d times", code, ended)
			}
		}()
		if left := s.hub.Shutdown(ctx, 0, nil); left != 1 {
			t.Errorf("%d are left, want the one whose handler hangs", left)
		}
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("it took %s", d)
		}
		time.Sleep(2 * time.Hour)
		s.gone()
	})
}
