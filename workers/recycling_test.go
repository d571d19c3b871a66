package workers

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// slowly answers after a second.
func slowly(w *fakeWorker, r *protocol.Request) { time.Sleep(time.Second); w.answer(r, "well") }

func TestRequestsAndAgeVaryByATenthFromWorkerToWorker(t *testing.T) {
	s := &Settings{MaxRequests: 1000, MaxAge: time.Hour}
	seen := map[int64]bool{}
	for range 1000 {
		got := s.share()
		if got.requests < 900 || got.requests > 1100 || got.age < 54*time.Minute || got.age > 66*time.Minute {
			t.Fatalf("%+v", got)
		}
		seen[got.requests] = true
	}
	if len(seen) < 50 {
		t.Errorf("only %d different figures", len(seen))
	}
	for _, n := range []int64{0, 1, 9} {
		if jittered(n) != n {
			t.Errorf("%d became another number", n)
		}
	}
}

func TestWorkersAreRecycledByAgeAlsoWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 3, MaxAge: time.Hour}, always(serve(1, slowly)))
		defer p.Stop(context.Background())
		time.Sleep(53 * time.Minute)
		if f.count() != 3 {
			t.Fatal("too early")
		}
		time.Sleep(15 * time.Minute)
		if f.count() != 6 || f.alive() != 3 || p.Metrics().Restarts["max_age"] != 3 {
			t.Fatalf("%d starts, %d alive, %+v", f.count(), f.alive(), p.Metrics().Restarts)
		}
		if why := p.Status().Workers[0].Restarted; why != "max_age" {
			t.Fatalf("%q", why)
		}
	})
}

func TestWorkerThatGrewTooLargeIsReplacedAfterItsRequest(t *testing.T) {
	for _, inPlace := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, f := newFakePool(t, Settings{Workers: 2, MaxMemory: 100, InPlace: inPlace, DrainTimeout: time.Second}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
				if r.Target == "/leak" {
					w.resident.Store(101)
					time.Sleep(time.Minute) // longer than drain_timeout, and it is not cut
				}
				w.answer(r, "well")
			})))
			defer p.Stop(context.Background())
			ready()
			one, _ := submit(p, "POST", "/leak")
			two, _ := submit(p, "POST", "/leak")
			time.Sleep(30 * time.Second)
			if f.count() != 2 {
				t.Fatalf("replaced in the middle of a request: %d starts", f.count())
			}
			for _, s := range []*testSink{one, two} {
				if s.result() != "well" {
					t.Fatal(s.failure)
				}
			}
			for range 20 {
				if s, _ := submit(p, "POST", "/"); s.result() != "well" {
					t.Fatal(s.failure)
				}
			}
			time.Sleep(3 * time.Second)
			if f.count() != 4 || f.alive() != 2 || p.Metrics().Restarts["max_memory"] != 2 {
				t.Fatalf("%d starts, %d alive, %+v", f.count(), f.alive(), p.Metrics().Restarts)
			}
		})
	}
}

func TestIdleWorkerThatGrowsIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, MaxMemory: 100}, always(serve(1, slowly)))
		defer p.Stop(context.Background())
		ready()
		f.process(1).resident.Store(200)
		time.Sleep(2 * time.Second)
		if f.count() != 2 || f.alive() != 1 {
			t.Fatalf("%d starts", f.count())
		}
	})
}

func TestRecyclingAWorkerOfManyRequestsCutsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, MaxMemory: 100, DrainTimeout: time.Second}, always(serve(8, func(w *fakeWorker, r *protocol.Request) {
			go func() {
				time.Sleep(20 * time.Second)
				w.answer(r, "well")
			}()
		})))
		defer p.Stop(context.Background())
		ready()
		var sinks []*testSink
		for range 4 {
			s, _ := submit(p, "POST", "/")
			sinks = append(sinks, s)
		}
		f.process(1).resident.Store(200) // no request ends for a while
		time.Sleep(5 * time.Second)
		if f.alive() != 2 || p.Status().Workers[0].State != Idle {
			t.Fatalf("%+v", p.Status().Workers)
		}
		for _, s := range sinks {
			if s.result() != "well" {
				t.Fatal(s.failure)
			}
		}
		ready()
		if f.alive() != 1 {
			t.Fatal("the old worker stayed")
		}
	})
}

func TestStopCutsWhatARecycledWorkerStillHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, MaxRequests: 1, DrainTimeout: time.Second}, func(n int) script {
			return serve(2, func(w *fakeWorker, r *protocol.Request) {
				if r.Target == "/" {
					w.answer(r, "well")
				}
			})
		})
		ready()
		long, _ := submit(p, "POST", "/never")
		if s, _ := submit(p, "POST", "/"); s.result() != "well" {
			t.Fatal(s.failure)
		}
		time.Sleep(10 * time.Second)
		if f.alive() != 2 {
			t.Fatalf("%d alive", f.alive())
		}
		p.Stop(context.Background())
		if k := long.failed(t); k.Kind != protocol.FailedDrained || !strings.Contains(k.Detail, "drain_timeout") || f.alive() != 0 {
			t.Fatal(k)
		}
	})
}
