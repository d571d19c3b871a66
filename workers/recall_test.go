package workers

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// streamingWorker is the program of a worker with the feature ahead that, while it answers a request for /stream,
// which takes a second, says DONE at once for what is recalled. Other requests take no time, but for /busy, which
// takes as long as busy says.
func streamingWorker(busy time.Duration) script {
	return func(w *fakeWorker) {
		if _, err := w.conn.Accept(); err != nil {
			return
		}
		w.conn.Send(&protocol.Ready{Version: 1, PID: w.id, SDK: "fake", Concurrency: 1,
			Features: []string{aheadFeature}})
		var mu sync.Mutex
		var streaming *protocol.Request
		var held []*protocol.Request
		for {
			payload, err := w.conn.Read()
			if err != nil {
				return
			}
			t, stream, _ := protocol.Head(payload)
			mu.Lock()
			switch t {
			case protocol.TypeDrain:
				mu.Unlock()
				return
			case protocol.TypeReset:
				for i, r := range held {
					if r.Stream == stream {
						held = append(held[:i], held[i+1:]...)
						w.conn.Send(&protocol.Done{Stream: stream})
						break
					}
				}
			case protocol.TypeRequest:
				r := new(protocol.Request)
				r.Parse(payload)
				switch {
				case streaming != nil:
					held = append(held, r)
				case r.Target == "/stream":
					streaming = r
					time.AfterFunc(time.Second, func() {
						mu.Lock()
						defer mu.Unlock()
						for _, r := range append([]*protocol.Request{streaming}, held...) {
							w.answer(r, r.Target)
						}
						streaming, held = nil, nil
					})
				default:
					if r.Target == "/busy" {
						time.Sleep(busy)
					} else if r.Target == "/first" {
						time.Sleep(time.Millisecond)
					}
					w.answer(r, r.Target)
				}
			}
			mu.Unlock()
		}
	}
}

// submitLate is submit for a request whose sink takes its time to begin.
func submitLate(p *Pool, target string, late time.Duration) *testSink {
	s := newSink()
	s.onBegin = func(protocol.Stream) {
		if s.begun == 1 {
			time.Sleep(late)
		}
	}
	p.Submit(&protocol.Exchange{Request: get(target), Repeatable: true, Sink: s})
	return s
}

// behindStream makes a pool of two workers: one is busy for so long, the other one is handed /stream after a
// millisecond, and then what is queued.
func behindStream(t *testing.T, busy time.Duration) *Pool {
	p, _ := newFakePool(t, Settings{Workers: 2}, always(streamingWorker(busy)))
	ready()
	submit(p, "POST", "/busy")
	submit(p, "GET", "/first")
	submit(p, "GET", "/stream")
	return p
}

func TestRecalledRequestDoesNotStrandTheOneAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := behindStream(t, 2400*time.Microsecond)
		defer p.Stop(context.Background())
		began := time.Now()
		a, _ := submit(p, "GET", "/a") // handed ahead after 1 ms: overdue when the other worker has room
		b := submitLate(p, "/b", 900*time.Microsecond)
		for _, s := range []*testSink{a, b} {
			if got, took := s.result(), time.Since(began); got[0] != '/' || took > 50*time.Millisecond {
				t.Fatalf("%q after %v", got, took)
			}
		}
	})
}

func TestRequestHandedAheadWhileAWorkerBecomesIdleIsRecalledForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := behindStream(t, 1500*time.Microsecond)
		defer p.Stop(context.Background())
		began := time.Now()
		a := submitLate(p, "/a", time.Millisecond)
		if got, took := a.result(), time.Since(began); got != "/a" || took > 50*time.Millisecond {
			t.Fatalf("%q after %v", got, took)
		}
	})
}

func TestStopGivesWhatWaitsBehindASlowRequestToAnotherWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := behindStream(t, 5*time.Millisecond)
		began := time.Now()
		a, _ := submit(p, "GET", "/a")
		time.Sleep(1200 * time.Microsecond)
		stopped := make(chan struct{})
		go func() { defer close(stopped); p.Stop(context.Background()) }()
		if got, took := a.result(), time.Since(began); got != "/a" || took > 50*time.Millisecond {
			t.Errorf("%q after %v", got, took)
		}
		<-stopped
	})
}

func TestWorkerThatCouldTakeMoreAtOnceIsHandedNothingAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, Concurrency: 1}, always(func(w *fakeWorker) {
			if _, err := w.conn.Accept(); err != nil {
				return
			}
			w.conn.Send(&protocol.Ready{Version: 1, PID: w.id, SDK: "fake", Concurrency: 10,
				Features: []string{aheadFeature}})
			w.loop(func(w *fakeWorker, r *protocol.Request) {
				if r.Stream > 1 { // the first two are done by now; what is ahead comes with the second
					time.Sleep(time.Second)
				}
				w.answer(r, r.Target)
			})
		}))
		defer p.Stop(context.Background())
		ready()
		for range 10 {
			submit(p, "GET", "/")
		}
		time.Sleep(100 * time.Millisecond)
		for _, w := range p.Status().Workers {
			if w.Inflight > 1 {
				t.Fatalf("%d requests are in flight", w.Inflight)
			}
		}
	})
}
