package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Everything at once: clients come, speak and leave, workers act on all of them and fail, an operator lists and
// retunes. In the end nothing is left, and every connection that opened has had one CLOSE, as its last event.
func TestTheHubKeepsItsPromisesUnderEverythingAtOnce(t *testing.T) {
	s := newScene(t)
	s.pool.atOnce = false
	s.terms.SendBuffer = 4000
	var mu sync.Mutex
	opened, closed, under := map[*Connection]bool{}, map[*Connection]int{}, map[*Connection]bool{}
	s.pool.handle = func(m protocol.Opening, c *Connection) (o outcome) {
		mu.Lock()
		if under[c] {
			t.Error("two events of a connection at once")
		}
		under[c] = true
		if closed[c] > 0 {
			t.Error("an event after CLOSE")
		}
		if _, ok := m.(*protocol.Close); ok {
			closed[c]++
		}
		mu.Unlock()
		defer func() {
			mu.Lock()
			under[c] = false
			mu.Unlock()
		}()
		group := func() string { return fmt.Sprint("g", rand.IntN(5)) }
		switch rand.IntN(30) {
		case 0:
			return outcome{failure: &protocol.Failure{Kind: protocol.FailedDied}}
		case 1, 2:
			return outcome{failure: &protocol.Failure{Kind: protocol.FailedReset}}
		case 3:
			return outcome{acts: []protocol.Act{&protocol.Hangup{To: protocol.ToSelf, Code: 4000}}}
		case 4:
			if _, ok := m.(*protocol.Open); ok {
				return outcome{response: &protocol.Response{Flags: protocol.FlagEnd, Status: 403}}
			}
		}
		return outcome{acts: []protocol.Act{
			&protocol.Join{Groups: []string{group(), group()}}, &protocol.Leave{Groups: []string{group()}},
			&protocol.Bind{UID: group()},
			&protocol.Set{Set: []protocol.Entry{{Key: group(), Value: protocol.Value{1}}}, Unset: []string{group()}},
			say("hello"), &protocol.Send{To: protocol.ToGroups, Names: []string{group(), group()},
				Bytes: make([]byte, 100), Except: []string{c.ID()}},
			&protocol.Send{To: protocol.ToUsers, Names: []string{group()}, Bytes: make([]byte, 100)}, say("bye"),
		}}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for ctx.Err() == nil {
				p := &fakePeer{room: func() int { return rand.IntN(400) }, encoding: tags}
				c := s.add(p)
				answered := make(chan bool, 1)
				c.Open(nil, func(a Admission) {
					if a.Accepted {
						mu.Lock()
						opened[c] = true
						mu.Unlock()
						c.Opened()
					}
					answered <- a.Accepted
				})
				if rand.IntN(10) == 0 {
					c.Closed(1006, "", false)
				}
				if !<-answered {
					continue
				}
				for range rand.IntN(40) {
					if !c.Deliver([]byte("m"), true) {
						break
					}
					c.Raw([]byte("pong"))
				}
				switch rand.IntN(3) {
				case 0:
					c.Closed(1000, "", true)
				case 1:
					c.Hangup(1000, "")
				default: // the shutdown's
				}
			}
		})
	}
	clients.Go(func() {
		for ctx.Err() == nil {
			s.hub.List()
			s.call("ids", "g1")
			s.call("uids")
			others := &Terms{Backend: s.pool, SendBuffer: 3000 + rand.Int64N(2000),
				SlowClient: SlowClient(rand.IntN(3))}
			s.hub.Retune(map[*Terms]*Terms{s.terms: others})
			time.Sleep(time.Millisecond)
		}
	})
	clients.Wait()
	end, cancelEnd := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancelEnd()
	if left := s.hub.Shutdown(end, 100*time.Millisecond, nil); left > 0 {
		t.Errorf("%d are left", left)
	}
	mu.Lock()
	defer mu.Unlock()
	for c := range opened {
		if closed[c] != 1 {
			t.Errorf("connection %s had %d CLOSEs", c.ID(), closed[c])
		}
	}
	for c := range closed {
		if !opened[c] {
			t.Errorf("connection %s had a CLOSE, but was not opened", c.ID())
		}
	}
	if len(opened) < 50 {
		t.Errorf("only %d connections opened", len(opened))
	}
	s.gone()
}
