package hub

import (
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

// full is a socket that takes nothing.
func full() int { return 0 }

func TestWhatIsSentKeepsItsOrderWhateverTheSocketTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		p := &fakePeer{room: func() int { return rand.IntN(12) }}
		c := s.open(p)
		var want strings.Builder
		for i := range 2000 {
			m := fmt.Sprintf("%d;", i)
			if i%10 == 3 {
				c.Raw([]byte("ping"))
				want.WriteString("ping")
			}
			want.WriteString(m)
			s.commit(c, say(m))
			if i%7 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if p.text() != want.String() {
			t.Errorf("%d bytes came, %d were sent, or in another order", len(p.text()), want.Len())
		}
		c.mu.Lock()
		if c.outlet.box != nil || c.outlet.line != ready {
			t.Error("a queue, or a writer, is left")
		}
		c.mu.Unlock()
		c.Closed(1000, "", true)
		s.gone()
	})
}

func TestManySendersToOneClientLoseNothing(t *testing.T) {
	s := newScene(t)
	p := &fakePeer{room: func() int { return rand.IntN(30) }}
	c := s.open(p)
	done := make(chan struct{})
	const senders, each = 8, 500
	for i := range senders {
		go func() {
			for n := range each {
				s.hub.Apply(nil, []protocol.Act{
					&protocol.Send{To: protocol.ToAll, Bytes: fmt.Appendf(nil, "%d:%d;", i, n)}})
			}
			done <- struct{}{}
		}()
	}
	for range senders {
		<-done
	}
	c.Hangup(1000, "")
	s.wait(func() bool { _, ended, _ := p.end(); return ended == 1 })
	var next [senders]int
	for m := range strings.SplitSeq(strings.TrimSuffix(p.text(), ";"), ";") {
		var i, n int
		if _, err := fmt.Sscanf(m, "%d:%d", &i, &n); err != nil || n != next[i] {
			t.Fatalf("got %q, want message %d of that sender (%v)", m, next[i], err)
		}
		next[i]++
	}
	for i, n := range next {
		if n != each {
			t.Errorf("%d messages of sender %d came, want %d", n, i, each)
		}
	}
	s.gone()
}

func TestSlowClients(t *testing.T) {
	numbers := func(from, to int) (s string) {
		for i := from; i < to; i++ {
			s += fmt.Sprintf("%03d", i)
		}
		return s
	}
	for policy, want := range map[SlowClient]string{
		CloseSlow:  "",
		DropOldest: numbers(0, 1) + "ping" + numbers(100-28, 100),
		DropNewest: numbers(0, 29) + "ping",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.note(nil)
			s.pool.traits.Events.Buffer = false
			s.terms.SlowClient, s.terms.SendBuffer = policy, 30*(3+overhead)+10
			p := &fakePeer{room: full, stuck: make(chan struct{})}
			c := s.open(p)
			for i := range 100 {
				s.commit(c, say(fmt.Sprintf("%03d", i)))
				synctest.Wait() // the first is in the writer's hand, and stays
				if i == 28 {
					c.Raw([]byte("ping"))
				}
			}
			if policy == CloseSlow {
				time.Sleep(time.Minute) // the farewell can't be written
				if _, ended, aborted := p.end(); ended != 0 || aborted == 0 {
					t.Errorf("ended %d times, aborted %d times: want it aborted", ended, aborted)
				}
				if got := s.events(); !slices.Equal(got, []string{"OPEN", "CLOSE 1008"}) {
					t.Errorf("events %v", got)
				}
				s.gone()
				return
			}
			info := c.Info()
			close(p.stuck)
			synctest.Wait()
			if got := p.text(); got != want {
				t.Errorf("policy %d: got %s, want %s", policy, got, want)
			}
			if n := strings.Count(want, "") - 1 - len("ping"); info.Dropped != int64(100-n/3) ||
				info.MessagesOut != int64(n/3) {
				t.Errorf("policy %d: %d dropped, %d out, of 100; %d came", policy, info.Dropped, info.MessagesOut, n/3)
			}
			c.Closed(1000, "", true)
			s.gone()
		})
	}
}

func TestAMessageLargerThanTheBufferGoesWhenNothingWaits(t *testing.T) {
	s := newScene(t)
	s.terms.SendBuffer = 100
	p := &fakePeer{}
	c := s.open(p)
	s.commit(c, say(strings.Repeat("x", 1000)), say(strings.Repeat("y", 1000)))
	if n := len(p.text()); n != 2000 {
		t.Errorf("%d bytes came, want 2000", n)
	}
	c.Closed(1000, "", true)
}

func TestAStuckClientHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.pool.traits.Events.Buffer = false
		s.terms.SlowClient = DropNewest
		stuck := &fakePeer{room: full, stuck: make(chan struct{})}
		s.open(stuck)
		var peers []*fakePeer
		for range 2 * share {
			p := &fakePeer{}
			s.open(p)
			peers = append(peers, p)
		}
		start := time.Now()
		for range 10 {
			s.commit(nil, &protocol.Send{To: protocol.ToAll, Bytes: []byte("all")})
		}
		for i, p := range peers {
			if got := p.text(); got != strings.Repeat("all", 10) {
				t.Fatalf("client %d has %q", i, got)
			}
		}
		if d := time.Since(start); d > 0 {
			t.Errorf("the others waited %s", d)
		}
		close(stuck.stuck)
		synctest.Wait()
		for _, p := range append(peers, stuck) {
			p.c.Closed(1000, "", true)
		}
		s.gone()
	})
}

func TestABroadcastIsEncodedOnce(t *testing.T) {
	s := newScene(t)
	counted := tagged{new(atomic.Int64)}
	var peers []*fakePeer
	for range 5 * share {
		p := &fakePeer{encoding: counted}
		s.open(p)
		peers = append(peers, p)
	}
	s.commit(nil, &protocol.Send{To: protocol.ToAll, Bytes: []byte("x"), Flags: protocol.FlagBinary},
		&protocol.Send{To: protocol.ToAll, Bytes: []byte("y")})
	if n := counted.encoded.Load(); n != 2 {
		t.Errorf("two broadcasts were encoded %d times", n)
	}
	for _, p := range peers {
		if got := p.text(); got != "{x}[y]" {
			t.Fatalf("a client has %q", got)
		}
		p.c.Closed(1000, "", true)
	}
	s.gone()
}

func TestWhatWasSentIsWrittenBeforeTheFarewell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		p := &fakePeer{room: full, stuck: make(chan struct{})}
		c := s.open(p)
		s.commit(c, say("one"), say("two"), &protocol.Hangup{Code: 4000, Reason: "bye"}, say("late"))
		time.Sleep(s.terms.farewell() - time.Second)
		if _, ended, _ := p.end(); ended > 0 {
			t.Error("took leave before what was sent had been written")
		}
		close(p.stuck)
		synctest.Wait()
		if code, ended, aborted := p.end(); code != 4000 || ended != 1 || aborted != 0 || p.text() != "onetwo" ||
			p.reason != "bye" {
			t.Errorf("got %q, then the end %d times, with %d %q; aborted %d times", p.text(), ended, code, p.reason,
				aborted)
		}
		s.gone()
	})
}

func TestAFarewellIsBoundedInTime(t *testing.T) {
	for name, p := range map[string]*fakePeer{
		"the client takes nothing":         {room: full, stuck: make(chan struct{})},
		"the client does not take leave":   {stay: true},
		"the socket has not been answered": {},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.note(nil)
			if p.stuck != nil {
				p.stuck = make(chan struct{}) // of this bubble
			}
			c := s.add(p)
			c.Open(nil, func(Admission) {})
			if name != "the socket has not been answered" {
				c.Opened()
			}
			s.commit(c, say("x"), &protocol.Hangup{Code: 4000})
			time.Sleep(s.terms.farewell() + time.Second)
			if _, _, aborted := p.end(); aborted == 0 {
				t.Errorf("%s: it was not aborted", name)
			}
			if got := s.events(); !slices.Equal(got, []string{"OPEN", "CLOSE 4000"}) {
				t.Errorf("%s: events %v", name, got)
			}
			s.gone()
		})
	}
}

func TestBufferTellsOfASlowClientAndOfItsRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.pool.atOnce = false
		s.note(nil)
		s.terms.SendBuffer = 1000
		p := &fakePeer{room: full, stuck: make(chan struct{})}
		c := s.open(p)
		for range 6 {
			s.commit(c, say(strings.Repeat("x", 40)))
			synctest.Wait()
		}
		if got := s.events(); !slices.Equal(got, []string{"OPEN"}) {
			t.Errorf("under half full, events %v", got)
		}
		s.commit(c, say(strings.Repeat("x", 200)))
		synctest.Wait()
		if got := s.events(); !slices.Equal(got, []string{"OPEN", "FULL"}) {
			t.Errorf("over half full, events %v", got)
		}
		close(p.stuck)
		synctest.Wait()
		if got := s.events(); !slices.Equal(got, []string{"OPEN", "FULL", "DRAINED"}) {
			t.Errorf("drained, events %v", got)
		}
		c.Closed(1000, "", true)
		synctest.Wait()
		s.gone()
	})
}

func TestAFloodOfPingsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		p := &fakePeer{room: full, stuck: make(chan struct{})}
		c := s.open(p)
		for range 10_000 {
			c.Raw([]byte("pong"))
		}
		if q := c.Info().Queued; q > 2*maxRaws*(4+overhead) {
			t.Errorf("%d bytes of pongs wait", q)
		}
		close(p.stuck)
		synctest.Wait()
		c.Closed(1000, "", true)
		s.gone()
	})
}

func TestDroppingKeepsMessagesWholeAndInOrder(t *testing.T) {
	for _, policy := range []SlowClient{DropOldest, DropNewest} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.terms.SlowClient, s.terms.SendBuffer = policy, 1000
			p := &fakePeer{encoding: tags, room: func() int { return rand.IntN(8) }, stuck: make(chan struct{})}
			c := s.open(p)
			const n = 3000
			for i := range n {
				s.commit(c, say(fmt.Sprintf("%d%s", i, strings.Repeat("x", rand.IntN(30)))))
				c.Raw([]byte("."))
				if q := c.Info().Queued; q > 1000+(maxRaws+1)*(1+overhead) {
					t.Fatalf("%d bytes wait, of 1000", q)
				}
				if i%10 == 0 {
					select {
					case p.stuck <- struct{}{}: // the client takes what it was given
					default:
					}
					synctest.Wait()
				}
			}
			close(p.stuck)
			synctest.Wait()
			last, came := -1, 0
			for m := range strings.SplitSeq(strings.ReplaceAll(p.text(), ".", ""), "]") {
				if m == "" {
					continue
				}
				var i int
				if _, err := fmt.Sscanf(strings.TrimRight(m, "x"), "[%d", &i); err != nil || i <= last {
					t.Fatalf("after %d came %q (%v)", last, m, err)
				}
				last = i
				came++
			}
			if info := c.Info(); info.Dropped != int64(n-came) || info.MessagesOut != int64(came) ||
				info.Queued != 0 || came < 100 || came == n {
				t.Errorf("%d of %d came; %d were dropped, %d sent, %d bytes wait", came, n, info.Dropped,
					info.MessagesOut, info.Queued)
			}
			c.Closed(1000, "", true)
			s.gone()
		})
	}
}

func TestAHostThatStopsTellsItsClients(t *testing.T) {
	s := newScene(t)
	p := &fakePeer{}
	c := s.open(p)
	s.pool.handle = func(protocol.Opening, *Connection) outcome {
		return outcome{failure: &protocol.Failure{Kind: protocol.FailedStopping}}
	}
	c.Deliver([]byte("x"), false)
	if code, ended, _ := p.end(); code != protocol.CloseGoing || ended != 1 {
		t.Errorf("the client was told %d, %d times", code, ended)
	}
	s.gone()
}
