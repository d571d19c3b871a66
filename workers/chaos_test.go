package workers

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// TestEveryRequestEndsOnceWhateverHappens lets clients leave and workers die, refuse, fall silent and break off at
// random moments, while the pool reloads.
func TestEveryRequestEndsOnceWhateverHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handle := func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(time.Duration(rand.Int64N(int64(3 * time.Millisecond))))
			switch rand.N(12) {
			case 0:
				w.die("exit status 1")
			case 1:
				w.conn.Send(&protocol.Reset{Stream: r.Stream, Code: protocol.ResetRefused})
				w.conn.Send(&protocol.Done{Stream: r.Stream})
			case 2:
				w.conn.Send(&protocol.Response{Stream: r.Stream, Status: 200})
				w.conn.Send(&protocol.Reset{Stream: r.Stream, Code: protocol.ResetInternal})
				w.conn.Send(&protocol.Done{Stream: r.Stream})
			case 3:
				w.conn.Send(&protocol.Response{Stream: r.Stream, Status: 200})
				w.die("signal: segmentation fault")
			case 4:
				w.conn.Send(raw("Fatal error"))
			case 5:
				w.conn.Send(&protocol.Done{Stream: r.Stream})
			case 6:
				w.hang()
			default:
				w.answer(r, "")
			}
		}
		p, _ := newFakePool(t, Settings{
			Workers: 4, Queue: 100, QueueTimeout: 50 * time.Millisecond, RequestTimeout: 300 * time.Millisecond,
			MaxRequests:  20,
			DrainTimeout: 100 * time.Millisecond, StopTimeout: 50 * time.Millisecond,
		}, func(n int) script {
			if n%7 == 0 {
				return func(w *fakeWorker) { w.boot(1) }
			}
			if n%2 == 0 {
				return aheadWorker(handle, nil)
			}
			return serve(1+n%3, handle)
		})
		var clients sync.WaitGroup
		for range 32 {
			clients.Go(func() {
				for range 100 {
					s, ticket := submit(p, []string{"GET", "POST"}[rand.N(2)], "/")
					if rand.N(3) == 0 {
						time.Sleep(time.Duration(rand.Int64N(int64(2 * time.Millisecond))))
						ticket.Cancel(protocol.ResetCancelled)
					}
					<-s.finished // closed twice, or never, fails the test
				}
			})
		}
		for range 5 {
			follow(p.Reload())
		}
		clients.Wait()
		p.Stop(context.Background())
		p.dispatch.mu.Lock()
		defer p.dispatch.mu.Unlock()
		if p.dispatch.queue != (line{}) || p.dispatch.patient != (line{}) || len(p.dispatch.free) != 0 {
			t.Fatalf("the dispatcher keeps %d exchanges and %d workers",
				p.dispatch.queue.length+p.dispatch.patient.length, len(p.dispatch.free))
		}
	})
}
