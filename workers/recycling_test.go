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
		if f.count() != 6 || f.alive() != 3 || p.Metrics().Generations[0].Restarts["max_age"] != 3 {
			t.Fatalf("%d starts, %d alive, %+v", f.count(), f.alive(), p.Metrics().Generations[0].Restarts)
		}
		if why := p.Status().Workers[0].Restarted; why != "max_age" {
			t.Fatalf("%q", why)
		}
	})
}

func TestWorkerThatGrewTooLargeIsReplacedAfterItsRequest(t *testing.T) {
	for _, inPlace := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, f := newFakePool(t, Settings{Workers: 2, MaxMemory: 100, InPlace: inPlace, DrainTimeout: time.Second},
				always(serve(1, func(w *fakeWorker, r *protocol.Request) {
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
			if f.count() != 4 || f.alive() != 2 || p.Metrics().Generations[0].Restarts["max_memory"] != 2 {
				t.Fatalf("%d starts, %d alive, %+v", f.count(), f.alive(), p.Metrics().Generations[0].Restarts)
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

func TestWorkersThatAreTooLargeFromTheStartAreNotReplacedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 2, MaxMemory: 100})
		p, f := newFakePool(t, set, always(func(w *fakeWorker) {
			w.resident.Store(150)
			serve(1, slowly)(w)
		}))
		defer p.Stop(context.Background())
		ready()
		allWell(t, burst(p, 20))
		time.Sleep(time.Minute)
		if f.count() != 2 {
			t.Fatalf("%d starts", f.count())
		}
		wants(t, log, "raise the limit", "memory=150 limit=100")
	})
}

func TestCodeThatIsLargerThanMaxMemoryHardNeverTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, always(func(w *fakeWorker) {
			w.resident.Store(24 << 20)
			serve(1, slowly)(w)
		}))
		defer p.Stop(context.Background())
		ready()
		reconfigured(t, p, func(s *Settings) { s.MaxMemoryHard = 16 << 20 })
		e := last(follow(p.Reload()))
		if e.Kind != EventFailed || !strings.Contains(e.Error,
			"24 MiB of memory before its first request, and max_memory_hard (16 MiB)") {
			t.Fatalf("%+v", e)
		}
		allWell(t, burst(p, 20))
		if f.alive() != 2 || p.Status().Workers[0].Generation != 1 {
			t.Fatalf("%d alive, %+v", f.alive(), p.Status().Workers)
		}
	})
}

func TestRecyclingAWorkerOfManyRequestsCutsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, MaxMemory: 100, DrainTimeout: time.Second},
			always(serve(8, func(w *fakeWorker, r *protocol.Request) {
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

func TestMaxMemoryHardEndsAWorkerInTheMiddleOfARequest(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			set, log := logged(Settings{Workers: 1, MaxMemory: 100, MaxMemoryHard: 200, DrainTimeout: time.Hour})
			p, f := newFakePool(t, set, always(serve(concurrency, func(w *fakeWorker, r *protocol.Request) {
				switch r.Target {
				case "/grow":
					w.deafTERM.Store(true)
					w.resident.Store(150)
					time.Sleep(10 * time.Second)
					w.resident.Store(201)
					w.hang()
				default:
					w.answer(r, "well")
				}
			})))
			defer p.Stop(context.Background())
			ready()
			s, _ := submit(p, "POST", "/grow")
			time.Sleep(9 * time.Second)
			if s.failureKind() != 0 || concurrency == 1 && f.count() != 1 {
				t.Fatal("ended below the hard limit", s.failure, f.count())
			}
			if got := s.failed(t); got.Kind != protocol.FailedDied ||
				!strings.Contains(got.Detail, "max_memory_hard") {
				t.Fatal(got)
			}
			time.Sleep(10 * time.Second)
			if f.alive() != 1 {
				t.Fatalf("%d alive", f.alive())
			}
			if next, _ := submit(p, "POST", "/"); next.result() != "well" {
				t.Fatal(next.failure)
			}
			wants(t, log, `request ended: its worker is larger than max_memory_hard: `, `request="POST /grow"`,
				`memory=201 max_memory_hard=200`, "did not heed RESET, it is terminated")
			if n := p.Metrics().Generations[0].Restarts["max_memory_hard"]; concurrency == 1 && n != 1 {
				t.Errorf("%+v", p.Metrics().Generations[0].Restarts)
			}
		})
	}
}

func TestMaxMemoryHardDoesNotWaitForTheDrainOfASilentWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, MaxMemoryHard: 200, RequestTimeout: time.Second,
			DrainTimeout: time.Hour}, always(serve(4, func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(10 * time.Second)
			w.resident.Store(300)
			w.hang()
		})))
		defer p.Stop(context.Background())
		ready()
		s, _ := submit(p, "POST", "/")
		time.Sleep(9 * time.Second)
		if s.failureKind() != protocol.FailedTimeout || f.alive() != 2 {
			t.Fatalf("%d alive while the silent one drains", f.alive())
		}
		time.Sleep(10 * time.Second)
		if f.alive() != 1 {
			t.Fatalf("%d alive", f.alive())
		}
	})
}

func TestWorkerThatHeedsTheHardLimitIsReplacedAndNotKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, MaxMemoryHard: 200},
			always(serve(1, func(w *fakeWorker, r *protocol.Request) {
				if r.Target == "/grow" {
					w.resident.Store(201)
					time.Sleep(500 * time.Millisecond)
					w.conn.Send(&protocol.Done{Stream: r.Stream})
					return
				}
				w.answer(r, "well")
			})))
		defer p.Stop(context.Background())
		ready()
		s, _ := submit(p, "POST", "/grow")
		s.failed(t)
		ready()
		if m := p.Metrics().Generations[0].Restarts; m["max_memory"] != 1 || m["max_memory_hard"] != 0 ||
			f.alive() != 1 {
			t.Fatalf("%+v", m)
		}
	})
}

func TestAWorkerThatHasShrunkAgainIsNotEndedForItsSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, MaxMemoryHard: 200, RequestTimeout: time.Second},
			always(serve(1, func(w *fakeWorker, r *protocol.Request) {
				if r.Target == "/hang" {
					w.hang()
				}
				w.resident.Store(201)
				time.Sleep(500 * time.Millisecond)
				w.resident.Store(100)
				w.conn.Send(&protocol.Done{Stream: r.Stream})
			})))
		defer p.Stop(context.Background())
		ready()
		if s, _ := submit(p, "POST", "/grow"); s.failed(t).Kind != protocol.FailedDied {
			t.Fatal(s.failure)
		}
		ready()
		if s, _ := submit(p, "POST", "/hang"); f.count() != 1 || s.failed(t).Kind != protocol.FailedTimeout {
			t.Fatal(f.count(), s.failure)
		}
		time.Sleep(10 * time.Second)
		if m := p.Metrics().Generations[0].Restarts; m["unresponsive"] != 1 || m["max_memory_hard"] != 0 {
			t.Fatalf("%+v", m)
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
		if k := long.failed(t); k.Kind != protocol.FailedDrained || !strings.Contains(k.Detail, "drain_timeout") ||
			f.alive() != 0 {
			t.Fatal(k)
		}
	})
}
