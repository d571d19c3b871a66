package workers

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// The race detector is what fails.
func TestWorkerMayEndJustAsItsStartTimesOut(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			p, f := newFakePool(t, Settings{Workers: 1, StartTimeout: 2 * time.Second}, always(func(w *fakeWorker) {
				time.Sleep(2 * time.Second)
				w.die("exit status 1")
			}))
			defer p.Stop(context.Background())
			time.Sleep(5 * time.Second)
			if f.count() < 2 || p.Status().Failure == "" {
				t.Errorf("%d starts, failure %q", f.count(), p.Status().Failure)
			}
		})
	}
}

func TestFailedBootsBackOffFrom100msTo10s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := make(chan time.Time, 1000)
		good := make(chan struct{})
		p, _ := newFakePool(t, Settings{Workers: 1}, always(func(w *fakeWorker) {
			starts <- time.Now()
			select {
			case <-good:
				serve(1, func(w *fakeWorker, r *protocol.Request) {
					w.answer(r, "")
					w.conn.Flush()
					w.die("exit status 1")
				})(w)
			default:
				broken(w)
			}
		}))
		defer p.Stop(context.Background())
		before := <-starts
		for _, most := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000} {
			most *= time.Millisecond
			now := <-starts
			if gap := now.Sub(before); gap > most || gap < most*4/5 {
				t.Fatalf("again after %v, not %v", gap, most)
			}
			before = now
		}
		close(good)
		<-starts
		time.Sleep(time.Second) // for READY
		for i := range 5 {      // a worker that has finished a request is replaced at once
			before := time.Now()
			if s, _ := submit(p, "GET", "/"); s.failureKind() != 0 {
				t.Fatal(i, s.failure, p.Status())
			}
			if gap := (<-starts).Sub(before); gap > respawnGap {
				t.Fatalf("again after %v", gap)
			}
		}
	})
}

func TestDeathBeforeTheFirstFinishedRequestBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(func(w *fakeWorker) { w.boot(1) }))
		defer p.Stop(context.Background())
		time.Sleep(time.Minute)
		if n := f.count(); n < 8 || n > 14 {
			t.Fatalf("%d starts in a minute", n)
		}
	})
}

func TestHealthyWorkersThatDieAreReplacedNoFasterThanEvery100ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			w.answer(r, "")
			w.conn.Flush()
			w.die("exit status 1")
		})))
		defer p.Stop(context.Background())
		for began := time.Now(); time.Since(began) < 10*time.Second; {
			s, _ := submit(p, "GET", "/")
			<-s.finished
		}
		if n := f.count(); n < 95 || n > 101 {
			t.Fatalf("%d starts in 10 s", n)
		}
		if st := p.Status().Workers[0]; st.Restarts < 94 {
			t.Fatalf("%+v", st)
		}
	})
}

func TestDeadWorkerHarmsItsOwnRequestOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 3}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(time.Second) // for READY
			if r.Target == "/die" {
				w.errs.Write([]byte("Segmentation fault\n"))
				w.die("signal: segmentation fault (core dumped)")
			}
			w.answer(r, "well")
		})))
		defer p.Stop(context.Background())
		ready()
		one, _ := submit(p, "POST", "/")
		bad, _ := submit(p, "POST", "/die")
		two, _ := submit(p, "POST", "/")
		three, _ := submit(p, "POST", "/")
		got, want := bad.failed(t).Error(),
			"generation 1) died: signal: segmentation fault (core dumped); stderr: Segmentation fault"
		if !strings.HasPrefix(got, "worker died: worker ") || !strings.HasSuffix(got, want) {
			t.Fatalf("%q", got)
		}
		for _, s := range []*testSink{one, two, three} {
			if s.result() != "well" {
				t.Fatal(s.failure)
			}
		}
		time.Sleep(time.Second) // for READY
		if f.count() != 4 || len(p.Status().Workers) != 3 {
			t.Fatalf("%d starts", f.count())
		}
	})
}

func TestResponseThatBrokeOffIsNeverTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 2}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			if r.Target == "/inform" {
				w.conn.Send(&protocol.Inform{Stream: r.Stream, Status: 103})
			} else {
				w.conn.Send(&protocol.Response{Stream: r.Stream, Status: 200, Body: []byte("half")})
			}
			w.conn.Flush()
			w.die("exit status 255")
		})))
		defer p.Stop(context.Background())
		for _, target := range []string{"/", "/inform"} {
			s, _ := submit(p, "GET", target)
			if s.failed(t).Kind != protocol.FailedDied || s.begun != 1 || s.ended {
				t.Fatal(s.failure, s.begun)
			}
		}
	})
}

func TestRepeatableRequestIsTriedOnlyTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			attempts++
			if r.Attempt != attempts {
				t.Errorf("attempt %d says that it is %d", attempts, r.Attempt)
			}
			w.die("exit status 1")
		})))
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/")
		if s.failed(t).Kind != protocol.FailedDied || attempts != 2 {
			t.Fatal(s.failure, attempts)
		}
	})
}

func TestWorkersAreRecycledOneAtATimeAndStartFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 3, MaxRequests: 10}, func(n int) script {
			return func(w *fakeWorker) {
				if n > 3 {
					time.Sleep(2 * time.Second)
				}
				serve(1, func(w *fakeWorker, r *protocol.Request) {
					time.Sleep(100 * time.Millisecond)
					w.answer(r, "")
				})(w)
			}
		})
		defer p.Stop(context.Background())
		ready()
		before := pids(p)
		for range 40 {
			var sinks []*testSink
			for range 3 {
				s, _ := submit(p, "POST", "/")
				sinks = append(sinks, s)
			}
			for _, s := range sinks {
				if <-s.finished; s.failure != nil {
					t.Fatal(s.failure)
				}
			}
			serving, starting := 0, 0
			for _, w := range p.Status().Workers {
				switch w.State {
				case Idle, Busy:
					serving++
				case Draining:
				default:
					starting++
				}
			}
			if serving != 3 || starting > 1 {
				t.Fatalf("%d serve, %d start: %+v", serving, starting, p.Status().Workers)
			}
			if live := f.alive(); live > 4 {
				t.Fatalf("%d processes", live)
			}
		}
		time.Sleep(time.Minute)
		for i, pid := range pids(p) {
			if pid == before[i] {
				t.Fatalf("worker %d was not recycled", i)
			}
		}
	})
}

func TestWorkerThatCanNotBeReplacedStaysAndIsRetriedWithBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, MaxRequests: 1}, func(n int) script {
			if n > 1 {
				return broken
			}
			return serve(1, func(w *fakeWorker, r *protocol.Request) {
				time.Sleep(10 * time.Millisecond)
				w.answer(r, "well")
			})
		})
		defer p.Stop(context.Background())
		ready()
		for began := time.Now(); time.Since(began) < time.Minute; {
			if s, _ := submit(p, "POST", "/"); s.result() != "well" {
				t.Fatal(s.failure)
			}
		}
		if n := f.count(); n < 8 || n > 16 {
			t.Fatalf("%d starts in a minute", n)
		}
	})
}

func TestWorkerIsReplacedBeforeItsStreamNumbersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		ready()
		w := p.slots[0].current
		w.mu.Lock()
		w.link.lastID = lastStream
		w.mu.Unlock()
		for range 3 {
			if s, _ := submit(p, "POST", "/"); s.result() != "generation 1" {
				t.Fatal(s.failure)
			}
			ready()
		}
		if f.count() != 2 {
			t.Fatalf("%d starts", f.count())
		}
	})
}
