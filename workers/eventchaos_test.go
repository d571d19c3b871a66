package workers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// chatter is a connection that submits numbered messages, one at a time, and checks what is committed for them.
type chatter struct {
	t      *testing.T
	id     string
	pool   *Pool
	repeat bool
	ended  chan struct{}

	mu        sync.Mutex
	number    int // of the message under way
	left      int
	delivered int // how often it has been handed to a worker with attempt 1
	committed bool
	dropped   int
}

// ConnectionID implements protocol.Subject.
func (c *chatter) ConnectionID() string { return c.id }

func (c *chatter) next() {
	c.mu.Lock()
	c.number++
	c.left--
	c.delivered, c.committed = 0, false
	m := &protocol.Incoming{Flags: protocol.FlagEnd, Connection: protocol.Connection{ID: c.id},
		Bytes: []byte(strconv.Itoa(c.number))}
	c.mu.Unlock()
	s := &eventSink{testSink: newSink(), note: func(string) {}}
	s.then = func() { c.finished(s.failure) }
	c.pool.Submit(&protocol.Exchange{Request: m, Repeatable: c.repeat, Patient: true, Subject: c, Sink: s})
}

// handed is a worker's word that it has message number in hand.
func (c *chatter) handed(number, attempt int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case number != c.number:
		c.t.Errorf("%s: a worker got message %d while %d was under way", c.id, number, c.number)
	case attempt == 1:
		if c.delivered++; c.delivered > 1 {
			c.t.Errorf("%s: message %d was delivered twice, and not marked", c.id, number)
		}
	case !c.repeat || attempt > 2:
		c.t.Errorf("%s: message %d came with attempt %d", c.id, number, attempt)
	}
}

func (c *chatter) finished(f *protocol.Failure) {
	c.mu.Lock()
	if (f == nil) != c.committed {
		c.t.Errorf("%s: message %d failed with %v, and was committed: %v", c.id, c.number, f, c.committed)
	}
	if f != nil {
		c.dropped++
	}
	left := c.left
	c.mu.Unlock()
	if left > 0 {
		go c.next()
	} else {
		close(c.ended)
	}
}

// chatHub checks that each message is committed once, whole, and in order. It takes its time for some.
type chatHub struct {
	fakeHub
	t *testing.T
}

func (h *chatHub) Commit(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	switch carryOut := func() { h.carryOut(subject, acts); done(nil) }; rand.N(3) {
	case 0:
		go carryOut()
	case 1:
		time.AfterFunc(rand.N(3*time.Millisecond), carryOut)
	default:
		carryOut()
	}
}

func (h *chatHub) carryOut(subject protocol.Subject, acts []protocol.Act) {
	c, ok := subject.(*chatter)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	want := strconv.Itoa(c.number)
	first, isSend := acts[0].(*protocol.Send)
	if len(acts) != 2 || !isSend || string(first.Bytes) != want || acts[1].(*protocol.Bind).UID != want {
		h.t.Errorf("%s: %d acts were committed while message %s was under way", c.id, len(acts), want)
	}
	if c.committed {
		h.t.Errorf("%s: message %s was committed twice", c.id, want)
	}
	c.committed = true
}

// TestNoEventIsLostDoubledOrReorderedWhateverHappens lets workers die, break the link, refuse, fall silent and fail at
// random moments of 20 connections' messages, beside requests, some workers taking several at once, while the pool
// reloads and at times can't start any worker.
func TestNoEventIsLostDoubledOrReorderedWhateverHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connections := map[string]*chatter{}
		handle := func(w *fakeWorker, m *protocol.Incoming) {
			number, _ := strconv.Atoi(string(m.Bytes))
			connections[m.Connection.ID].handed(number, m.Attempt)
			nap := func() { time.Sleep(time.Duration(rand.Int64N(int64(2 * time.Millisecond)))) }
			nap()
			w.say(m.Stream, 0, string(m.Bytes))
			switch rand.N(40) {
			case 0, 1:
				nap()
				w.die("signal: killed")
				return
			case 2:
				w.conn.Send(raw("Fatal error: Allowed memory size exhausted"))
				w.hang()
				return
			case 3:
				w.conn.Send(&protocol.Reset{Stream: m.Stream, Code: protocol.ResetInternal})
				w.conn.Send(&protocol.Done{Stream: m.Stream})
				return
			case 4:
				w.hang()
				return
			}
			nap()
			w.conn.Send(&protocol.Bind{Stream: m.Stream, Flags: protocol.FlagDone, UID: string(m.Bytes)})
		}
		p, _ := newFakePool(t, Settings{
			Workers: 4, Hub: &chatHub{t: t}, Queue: 10, QueueTimeout: 20 * time.Millisecond,
			RequestTimeout: 300 * time.Millisecond, MaxRequests: 50,
			DrainTimeout: 20 * time.Millisecond, StopTimeout: 50 * time.Millisecond,
		}, func(n int) script {
			if n%40 > 34 {
				return func(*fakeWorker) {}
			}
			return handlers(1+n%3, handle)
		})
		const messages = 200
		for i := range 20 {
			c := &chatter{t: t, id: fmt.Sprint("c", i), pool: p, repeat: i%4 != 0, left: messages,
				ended: make(chan struct{})}
			connections[c.id] = c
		}
		for _, c := range connections {
			go c.next()
		}
		counted := map[uint64]EventCounts{} // by generation: the pool forgets old ones
		note := func() {
			for _, c := range p.Metrics().Generations {
				counted[c.Generation] = c.Events["message"]
			}
		}
		stop := make(chan struct{})
		var others sync.WaitGroup
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					note()
					follow(p.Reload())
					time.Sleep(50 * time.Millisecond)
				}
			}
		})
		for range 4 {
			others.Go(func() {
				for {
					s, _ := submit(p, "GET", "/")
					<-s.finished
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
					}
				}
			})
		}
		dropped, sure := 0, 0
		for _, c := range connections {
			<-c.ended
			if c.number != messages {
				t.Errorf("%s: %d messages of %d", c.id, c.number, messages)
			}
			dropped += c.dropped
			if c.repeat {
				sure += c.dropped
			}
		}
		close(stop)
		others.Wait()
		p.Stop(context.Background())
		note()
		failed, counts := 0, EventCounts{}
		for _, c := range counted {
			counts.Done += c.Done
			counts.Retries += c.Retries
			for _, n := range c.Failures {
				failed += int(n)
			}
		}
		for _, n := range p.Metrics().Unserved.Events["message"].Failures {
			failed += int(n)
		}
		if failed != dropped || counts.Done != uint64(len(connections)*messages-dropped) || counts.Retries == 0 {
			t.Errorf("%d were dropped, and counted were %+v", dropped, counts)
		}
		t.Logf("%d of %d were given up, %d of them of connections with at-least-once; %+v", dropped,
			len(connections)*messages, sure, counts)
	})
}
