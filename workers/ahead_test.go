package workers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// aheadWorker is the program of a worker with the feature ahead. handle is called for one request after the other;
// backlog, if given, hears how many messages are waiting behind each.
func aheadWorker(handle func(w *fakeWorker, r *protocol.Request), backlog func(n int)) script {
	return func(w *fakeWorker) {
		hello, err := w.conn.Accept()
		if err != nil {
			return
		}
		w.hello = hello
		w.conn.Send(&protocol.Ready{Version: 1, PID: w.id, SDK: "fake", Concurrency: 1,
			Features: []string{aheadFeature}})
		inbox := make(chan []byte, 100)
		go func() {
			defer close(inbox)
			for {
				payload, err := w.conn.Read()
				if err != nil {
					return
				}
				inbox <- append([]byte(nil), payload...)
			}
		}()
		var kept [][]byte
		for {
			if len(kept) == 0 {
				first, ok := <-inbox
				if !ok {
					return
				}
				kept = append(kept, first)
			}
			for len(inbox) > 0 {
				kept = append(kept, <-inbox)
			}
			payload := kept[0]
			kept = kept[1:]
			switch t, stream, _ := protocol.Head(payload); t {
			case protocol.TypeDrain:
				return
			case protocol.TypePing:
				var m protocol.Ping
				m.Parse(payload)
				w.conn.Send(&protocol.Pong{Token: m.Token})
			case protocol.TypeRequest:
				if backlog != nil {
					backlog(len(kept))
				}
				if resetAmong(kept, stream) {
					w.conn.Send(&protocol.Done{Stream: stream})
					continue
				}
				var m protocol.Request
				m.Parse(payload)
				handle(w, &m)
			}
		}
	}
}

func resetAmong(payloads [][]byte, stream uint32) bool {
	for _, p := range payloads {
		if t, s, _ := protocol.Head(p); t == protocol.TypeReset && s == stream {
			return true
		}
	}
	return false
}

func echoTarget(w *fakeWorker, r *protocol.Request) {
	if strings.HasPrefix(r.Target, "/slow") {
		time.Sleep(time.Second)
	} else {
		time.Sleep(20 * time.Microsecond)
	}
	w.answer(r, r.Target)
}

func TestFastWorkerIsHandedItsNextRequestsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var most atomic.Int64
		p, _ := newFakePool(t, Settings{Workers: 1}, always(aheadWorker(echoTarget, func(n int) {
			most.Store(max(most.Load(), int64(n)))
		})))
		defer p.Stop(context.Background())
		<-p.Started()
		var sinks []*testSink
		for i := range 50 {
			s, _ := submit(p, "GET", fmt.Sprint("/", i))
			sinks = append(sinks, s)
		}
		for i, s := range sinks {
			if got := s.result(); got != fmt.Sprint("/", i) {
				t.Fatalf("request %d was answered with %q", i, got)
			}
		}
		if most.Load() < 1 || most.Load() > protocol.MaxAhead {
			t.Fatalf("at most %d requests were ahead; 1 to %d expected", most.Load(), protocol.MaxAhead)
		}
	})
}

// TestSeveralRequestsAreHandedAheadAtOnce: not one each time that the worker is done with one.
func TestSeveralRequestsAreHandedAheadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var before, handed atomic.Int64 // how many waited before, and how often some came
		p, _ := newFakePool(t, Settings{Workers: 1}, always(aheadWorker(echoTarget, func(n int) {
			if before.Swap(int64(n)) <= int64(n) {
				handed.Add(1)
			}
		})))
		defer p.Stop(context.Background())
		<-p.Started()
		var sinks []*testSink
		for range 200 {
			s, _ := submit(p, "GET", "/")
			sinks = append(sinks, s)
		}
		for _, s := range sinks {
			s.result()
		}
		if n := handed.Load(); n > 200/3 {
			t.Fatalf("200 requests were handed over %d times", n)
		}
	})
}

func TestUnsafeRequestIsNeverHandedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var most atomic.Int64
		p, _ := newFakePool(t, Settings{Workers: 1}, always(aheadWorker(echoTarget, func(n int) {
			most.Store(max(most.Load(), int64(n)))
		})))
		defer p.Stop(context.Background())
		<-p.Started()
		var sinks []*testSink
		for range 20 {
			s, _ := submit(p, "POST", "/")
			sinks = append(sinks, s)
		}
		for _, s := range sinks {
			s.result()
		}
		if most.Load() != 0 {
			t.Fatalf("%d requests were ahead", most.Load())
		}
	})
}

func TestRequestBehindASlowOneIsRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 2}, always(aheadWorker(echoTarget, nil)))
		defer p.Stop(context.Background())
		<-p.Started()
		began := time.Now()
		var fast []*testSink
		for i := range 200 {
			if i == 40 {
				submit(p, "GET", "/slow")
			}
			s, _ := submit(p, "GET", fmt.Sprint("/", i))
			fast = append(fast, s)
		}
		for i, s := range fast {
			if got := s.result(); got != fmt.Sprint("/", i) {
				t.Fatalf("request %d: %q", i, got)
			}
		}
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Fatalf("the fast requests took %v beside a slow one", took)
		}
	})
}

func TestRequestBehindASlowOneGoesToAWorkerThatIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 2}, always(aheadWorker(echoTarget, nil)))
		defer p.Stop(context.Background())
		<-p.Started()
		var last *testSink
		began := time.Now()
		for _, target := range []string{"/1", "/2", "/slow1", "/3", "/4", "/5"} {
			last, _ = submit(p, "GET", target)
		}
		if got, took := last.result(), time.Since(began); got != "/5" || took > 50*time.Millisecond {
			t.Fatalf("%q after %v", got, took)
		}
	})
}

func TestRequestsBehindSlowOnesEverywhereAreSubjectToTheQueuesDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, QueueTimeout: 300 * time.Millisecond},
			always(aheadWorker(echoTarget, nil)))
		defer p.Stop(context.Background())
		<-p.Started()
		var last *testSink
		for _, target := range []string{"/1", "/2", "/slow1", "/3", "/4"} {
			last, _ = submit(p, "GET", target)
		}
		if got := last.result(); got != "queue timeout" {
			t.Fatalf("got %q", got)
		}
	})
}

func TestWorkerThatDiesLosesNothingThatItHadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(aheadWorker(func(w *fakeWorker, r *protocol.Request) {
			if r.Method == "POST" {
				w.die("exit status 255")
				return
			}
			if r.Attempt > 1 {
				w.answer(r, "tried twice")
				return
			}
			echoTarget(w, r)
		}, nil)))
		defer p.Stop(context.Background())
		<-p.Started()
		var sinks []*testSink
		for i := range 20 {
			method := "GET"
			if i == 3 {
				method = "POST"
			}
			s, _ := submit(p, method, fmt.Sprint("/", i))
			sinks = append(sinks, s)
		}
		for i, s := range sinks {
			want := fmt.Sprint("/", i)
			if i == 3 {
				want = "worker died"
			}
			if got := s.result(); got != want {
				t.Errorf("request %d: %q, want %q", i, got, want)
			}
		}
	})
}

func TestReloadFailsNothingThatWasHandedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 3}, always(aheadWorker(func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(time.Duration(rand.Int64N(int64(400 * time.Microsecond))))
			if rand.N(50) == 0 {
				time.Sleep(30 * time.Millisecond)
			}
			w.answer(r, r.Target)
		}, nil)))
		<-p.Started()
		var clients sync.WaitGroup
		for c := range 24 {
			clients.Go(func() {
				for i := range 100 {
					target := fmt.Sprint("/", c, "/", i)
					s, ticket := submit(p, "GET", target)
					if rand.N(10) == 0 {
						ticket.Cancel(protocol.ResetCancelled)
						s.result()
						continue
					}
					if got := s.result(); got != target {
						t.Errorf("%s was answered with %q", target, got)
					}
				}
			})
		}
		for range 5 {
			if events := follow(p.Reload()); events[len(events)-1].Kind != EventCompleted {
				t.Errorf("reload: %+v", events[len(events)-1])
			}
		}
		clients.Wait()
		p.Stop(context.Background())
		d := &p.dispatch
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.queue.length != 0 || len(d.ahead.waiting) != 0 {
			t.Errorf("%d queued and %d ahead are left", d.queue.length, len(d.ahead.waiting))
		}
	})
}

func TestStopFinishesWhatWasHandedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 2}, always(aheadWorker(echoTarget, nil)))
		<-p.Started()
		var sinks []*testSink
		for i := range 40 {
			s, _ := submit(p, "GET", fmt.Sprint("/", i))
			sinks = append(sinks, s)
		}
		p.Stop(context.Background())
		for i, s := range sinks {
			if got := s.result(); got != fmt.Sprint("/", i) {
				t.Fatalf("request %d: %q", i, got)
			}
		}
	})
}
