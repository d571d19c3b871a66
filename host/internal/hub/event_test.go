package hub

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestEventsOfAConnectionComeInOrderOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.pool.atOnce = false
		var under atomic.Int32
		var came []string
		s.pool.handle = func(m protocol.Opening, c *Connection) outcome {
			if under.Add(1) != 1 {
				t.Error("two events of a connection at once")
			}
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
			came = append(came, strings.Split(describe(m), "+")...)
			under.Add(-1)
			return outcome{}
		}
		c := s.open(&fakePeer{})
		want := []string{"OPEN"}
		for i := range 1000 {
			if !c.Deliver(fmt.Appendf(nil, "%d", i), false) {
				t.Fatal("a message was not taken")
			}
			want = append(want, fmt.Sprint(i))
			if i%100 == 0 {
				time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
			}
		}
		c.Closed(protocol.CloseNormal, "", true)
		if c.Deliver([]byte("late"), false) {
			t.Error("a closed connection takes messages")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if want = append(want, "CLOSE 1000"); !slices.Equal(came, want) {
			t.Errorf("came %v, want %v", came, want)
		}
		s.gone()
	})
}

func TestEventsThatFinishWithinSubmitDoNotRecur(t *testing.T) {
	s := newScene(t)
	n := 0
	hold := make(chan struct{})
	var c *Connection
	s.pool.handle = func(m protocol.Opening, _ *Connection) outcome {
		if describe(m) == "first" {
			<-hold
		}
		n++
		return outcome{acts: []protocol.Act{say("x")}}
	}
	s.terms.Inbox = 1 << 30
	s.pool.traits.AtMostOnce = true // one by one
	c = s.open(&fakePeer{})
	done := make(chan struct{})
	go func() { c.Deliver([]byte("first"), false); close(done) }()
	s.wait(func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.turn != resting })
	const many = 100_000 // deep enough to see the stack of it
	for range many {
		c.Deliver([]byte("m"), false)
	}
	close(hold)
	<-done
	if n != many+2 {
		t.Errorf("%d events, want %d", n, many+2)
	}
	c.Closed(1000, "", true)
	s.gone()
}

func TestSmallMessagesThatWaitTravelTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.pool.atOnce = false
		s.terms.Inbox = 1 << 20
		s.note(func(m protocol.Opening, _ *Connection) outcome {
			time.Sleep(time.Second)
			return outcome{}
		})
		c := s.open(&fakePeer{})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, m := range []string{"a", "b", "c", strings.Repeat("x", protocol.MaxData), "d", "e"} {
			c.Deliver([]byte(m), false)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []string{"OPEN", "a", "b+c", strings.Repeat("x", protocol.MaxData), "d+e"}
		if got := s.events(); !slices.Equal(got, want) {
			t.Errorf("got %.200v", got)
		}
		c.Closed(1000, "", true)
		time.Sleep(time.Minute)
		synctest.Wait()
		s.gone()
	})
}

func TestMessagesThatTravelledTogetherAreDeliveredOneByOneWhenAHandlerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.pool.atOnce = false
		s.note(func(m protocol.Opening, _ *Connection) outcome {
			time.Sleep(time.Second)
			if strings.Contains(describe(m), "bad") {
				return outcome{failure: &protocol.Failure{Kind: protocol.FailedReset}}
			}
			if m, ok := m.(*protocol.Incoming); ok {
				return outcome{acts: []protocol.Act{say(fmt.Sprintf("%s %d", describe(m), m.Attempt))}}
			}
			return outcome{}
		})
		p := &fakePeer{encoding: tags}
		c := s.open(p)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, m := range []string{"a", "b", "bad", "c"} {
			c.Deliver([]byte(m), false)
		}
		time.Sleep(time.Second / 2)
		c.Deliver([]byte("d"), false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := s.events(), []string{"OPEN", "a", "b+bad+c+d", "b", "bad", "c", "d"}; !slices.Equal(got,
			want) {
			t.Errorf("events %v, want %v", got, want)
		}
		if got, want := p.text(), "[a 0][b 2][c 2][d 2]"; got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
		c.Closed(1000, "", true)
		time.Sleep(time.Minute)
		synctest.Wait()
		s.gone()
	})
}

func TestALargeMessageTravelsAsData(t *testing.T) {
	t.Run("at once", func(t *testing.T) { largeMessages(t, 0) })
	t.Run("under a window", func(t *testing.T) { largeMessages(t, 200_000) })
}

func largeMessages(t *testing.T, window int) {
	s := newScene(t)
	s.pool.window = window
	var got []byte
	var whole bool
	s.pool.handle = func(m protocol.Opening, _ *Connection) outcome {
		if m, ok := m.(*protocol.Incoming); ok {
			got, whole = slices.Clone(m.Bytes), m.Whole()
		}
		return outcome{}
	}
	c := s.open(&fakePeer{})
	for _, n := range []int{0, 1, protocol.MaxData - 1, protocol.MaxData, protocol.MaxData + 1, 16 << 20} {
		want := bytes.Repeat([]byte{7}, n)
		c.Deliver(want, true)
		if !bytes.Equal(got, want) || !whole {
			t.Errorf("a message of %d bytes came with %d, whole: %t", n, len(got), whole)
		}
	}
	c.Closed(1000, "", true)
}

func TestDeliverWaitsWhileTheInboxIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.pool.atOnce = false
		s.terms.Inbox = 1000
		free := make(chan struct{})
		s.pool.handle = func(m protocol.Opening, _ *Connection) outcome {
			if _, ok := m.(*protocol.Incoming); ok {
				<-free
			}
			return outcome{}
		}
		c := s.open(&fakePeer{})
		var taken atomic.Int32
		go func() {
			for c.Deliver(make([]byte, 300), false) {
				taken.Add(1)
			}
		}()
		synctest.Wait()
		if n := taken.Load(); n != 4 { // one with the worker, three that wait
			t.Errorf("%d messages were taken, want 4", n)
		}
		free <- struct{}{}
		synctest.Wait()
		if n := taken.Load(); n < 5 {
			t.Errorf("%d messages were taken when there was room again", n)
		}
		c.Closed(protocol.CloseBroken, "", false)
		close(free)
		synctest.Wait()
		s.gone()
	})
}

func TestWhatThereIsRoomForIsDeliveredWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		c := s.open(&fakePeer{})
		s.pool.atOnce, s.pool.free = false, make(chan struct{})
		if !c.HasRoom(2, 30<<10) || c.HasRoom(2, 64<<10) || c.HasRoom(3000, 3000) {
			t.Error("an empty inbox has another room")
		}
		c.DeliverNow(make([]byte, 1<<10), true, nil) // this one is under way
		for range 2 {
			if !c.HasRoom(1, 30<<10) || !c.DeliverNow(make([]byte, 30<<10), true, nil) {
				t.Error("there is no room for what fits")
			}
		}
		if c.HasRoom(1, 30<<10) {
			t.Error("there is room for too much")
		}
		close(s.pool.free)
		synctest.Wait()
		c.Closed(1006, "", false)
		if c.DeliverNow([]byte("late"), true, nil) {
			t.Error("a connection that has left takes more")
		}
	})
}
