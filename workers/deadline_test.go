package workers

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Whatever a request waits for, the queue's deadline counts from when it came.
func TestARequestThatMovesHasOneDeadlineForTheWholeWait(t *testing.T) {
	refuses := serve(1, func(w *fakeWorker, r *protocol.Request) {
		time.Sleep(4 * time.Second)
		w.conn.Send(&protocol.Reset{Stream: r.Stream, Code: protocol.ResetRefused})
		w.conn.Send(&protocol.Done{Stream: r.Stream})
	})
	dies := func(w *fakeWorker) { // with the request unread
		w.boot(1)
		time.Sleep(4 * time.Second)
	}
	for name, c := range map[string]struct {
		run     script
		workers int
	}{
		"refused":              {refuses, 1},
		"refused by everybody": {refuses, 3},
		"died with, unread":    {dies, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _ := newFakePool(t, Settings{Workers: c.workers, QueueTimeout: 10 * time.Second}, always(c.run))
				defer p.Stop(context.Background())
				ready()
				began := time.Now()
				s, _ := submit(p, "POST", "/")
				if f := s.failed(t); f.Kind != protocol.FailedQueueTimeout || f.Detail == "" {
					t.Fatal(f)
				}
				// a worker that has it may keep it beyond the deadline
				if took := time.Since(began); took > 12*time.Second {
					t.Fatalf("it took %v", took)
				}
			})
		})
	}
}

func TestTheTimeThatAWorkerWorkedIsNoneOfTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, QueueTimeout: 10 * time.Second}, func(n int) script {
			return serve(1, func(w *fakeWorker, r *protocol.Request) {
				if n == 1 {
					time.Sleep(time.Minute)
					w.die("signal: segmentation fault")
					return
				}
				w.answer(r, "second")
			})
		})
		defer p.Stop(context.Background())
		ready()
		if s, _ := submit(p, "GET", "/"); s.result() != "second" {
			t.Fatal(s.failure)
		}
	})
}

func TestAShorterDeadlineCountsForThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, QueueTimeout: time.Hour}, always(func(w *fakeWorker) {
			time.Sleep(10 * time.Second)
			serve(1, func(w *fakeWorker, r *protocol.Request) {
				time.Sleep(time.Minute)
				w.answer(r, "")
			})(w)
		}))
		defer p.Stop(context.Background())
		<-p.Started()
		submit(p, "POST", "/busy")
		old, _ := submit(p, "POST", "/old")
		reconfigured(t, p, func(s *Settings) { s.QueueTimeout = time.Second })
		began := time.Now()
		r := p.Reload()
		synctest.Wait()
		fresh, _ := submit(p, "POST", "/new")
		for _, s := range []*testSink{old, fresh} {
			if s.failed(t); time.Since(began) != time.Second {
				t.Fatalf("it waited for %v", time.Since(began))
			}
		}
		follow(r)
	})
}
