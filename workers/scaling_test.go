package workers

import (
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// burst submits n requests at once.
func burst(p *Pool, n int) (sinks []*testSink) {
	for range n {
		s, _ := submit(p, "POST", "/")
		sinks = append(sinks, s)
	}
	return sinks
}

// allWell waits for all, which must be answered.
func allWell(t *testing.T, sinks []*testSink) {
	t.Helper()
	for _, s := range sinks {
		if got := s.result(); s.failure != nil {
			t.Fatal(got, s.failure)
		}
	}
}

// now is how many slots the pool has, and how many workers can take requests.
func now(p *Pool) (slots, ready int) {
	synctest.Wait()
	st := p.Status()
	for _, w := range st.Workers {
		if w.State == Idle || w.State == Busy {
			ready++
		}
		if w.State != Draining {
			slots++
		}
	}
	return slots, ready
}

func TestABodyIsAwaitedAsThePoolSaysAndElseAsItsWorkersAre(t *testing.T) {
	for _, c := range []struct {
		concurrency         int
		stream, whole, want bool
	}{
		{1, false, false, true}, {1, true, false, false}, {1, false, true, true},
		{8, false, false, false}, {8, true, false, false}, {8, false, true, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := newFakePool(t, Settings{Workers: 1, StreamBody: c.stream, WholeBody: c.whole},
				always(serve(c.concurrency, slowly)))
			defer p.Stop(context.Background())
			ready()
			if got := p.Traits().WholeBody; got != c.want {
				t.Errorf("%+v: %t", c, got)
			}
		})
	}
}

// TestAPoolThatNobodySizedHasAsManyWorkersAsTheyAreGoodFor: what one of Go keeps in memory is there for all requests.
func TestAPoolThatNobodySizedHasAsManyWorkersAsTheyAreGoodFor(t *testing.T) {
	for name, c := range map[string]struct {
		concurrency int
		features    []string
		want        int
	}{
		"PHP":     {1, nil, DefaultWorkers()},
		"asyncio": {8, nil, min(DefaultWorkers(), runtime.GOMAXPROCS(0))},
		"Go":      {8, []string{threadsFeature}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, f := newFakePool(t, Settings{Unsized: true, Workers: DefaultWorkers()}, always(func(w *fakeWorker) {
				w.features = c.features
				serve(c.concurrency, slowly)(w)
			}))
			defer p.Stop(context.Background())
			time.Sleep(time.Second)
			if slots, ready := now(p); slots != c.want || ready != c.want || f.alive() != c.want {
				t.Errorf("%s: %d slots, %d ready, %d processes", name, slots, ready, f.alive())
			}
			if err := p.Reload().Follow(context.Background(), func(Event) error { return nil }); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if slots, ready := now(p); slots != c.want || ready != c.want {
				t.Errorf("%s: %d slots, %d ready after a reload", name, slots, ready)
			}
		})
	}
}

// seconds is a program that boots for as long, and answers each request after one.
func bootsFor(d time.Duration) script {
	return func(w *fakeWorker) {
		time.Sleep(d)
		serve(1, slowly)(w)
	}
}

func TestPoolGrowsWhileRequestsWaitAndShrinksWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{MinWorkers: 2, MaxWorkers: 8}, always(bootsFor(100*time.Millisecond)))
		defer p.Stop(context.Background())
		ready()
		if slots, _ := now(p); slots != 2 {
			t.Fatalf("began with %d", slots)
		}
		sinks := burst(p, 30)
		time.Sleep(queuePatience + time.Millisecond)
		if slots, ready := now(p); slots != 4 || ready != 2 {
			t.Fatalf("%d slots, %d ready", slots, ready)
		}
		time.Sleep(time.Second)
		if slots, ready := now(p); slots != 8 || ready != 8 {
			t.Fatalf("%d slots, %d ready", slots, ready)
		}
		allWell(t, sinks)
		if f.count() != 8 {
			t.Fatalf("%d starts", f.count())
		}
		st := p.Status()
		if st.MinWorkers != 2 || st.MaxWorkers != 8 || len(st.Workers) != 8 {
			t.Fatalf("%+v", st)
		}
		time.Sleep(50 * time.Second)
		if slots, _ := now(p); slots != 8 {
			t.Fatalf("shrank early to %d", slots)
		}
		time.Sleep(15 * time.Second)
		if slots, ready := now(p); slots != 2 || ready != 2 || f.alive() != 2 {
			t.Fatalf("%d slots, %d ready, %d alive", slots, ready, f.alive())
		}
		time.Sleep(time.Hour)
		if f.count() != 8 || f.alive() != 2 {
			t.Fatalf("%d starts, %d alive", f.count(), f.alive())
		}
	})
}

func TestASpareWorkerStartsWhenAllAreBusyThoughNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{MaxWorkers: 4}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(10 * time.Second)
			w.answer(r, "")
		})))
		defer p.Stop(context.Background())
		ready()
		sinks := burst(p, 1)
		time.Sleep(busyPatience / 2)
		if slots, _ := now(p); slots != 1 {
			t.Fatalf("%d slots too early", slots)
		}
		time.Sleep(5 * time.Second)
		if slots, ready := now(p); slots != 2 || ready != 2 {
			t.Fatalf("%d slots, %d ready", slots, ready)
		}
		allWell(t, sinks)
	})
}

func TestShortRequestsGrowThePoolOnlyIfWorkersAreHardlyEverIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{MinWorkers: 1, MaxWorkers: 4},
			always(serve(1, func(w *fakeWorker, r *protocol.Request) {
				time.Sleep(5 * time.Millisecond)
				w.answer(r, "")
			})))
		defer p.Stop(context.Background())
		ready()
		for range 1000 {
			allWell(t, burst(p, 3))
			time.Sleep(15 * time.Millisecond)
		}
		if slots, _ := now(p); slots != 1 {
			t.Fatalf("%d slots", slots)
		}
		for range 300 { // the worker is idle for a moment between them, and no request waits for long
			allWell(t, burst(p, 3))
			time.Sleep(time.Millisecond)
		}
		if slots, _ := now(p); slots < 2 {
			t.Fatal("a worker that is never idle for long got no help")
		}
	})
}

func TestPoolThatTakesLongToStartBeginsWithTheFewestWorkers(t *testing.T) {
	for boot := range 50 {
		synctest.Test(t, func(t *testing.T) {
			p, f := newFakePool(t, Settings{MinWorkers: 2, MaxWorkers: 8},
				always(bootsFor(time.Duration(boot)*10*time.Millisecond)))
			defer p.Stop(context.Background())
			time.Sleep(time.Minute)
			if f.count() != 2 {
				t.Fatalf("%d starts", f.count())
			}
		})
	}
}

func TestStartsUnderWayCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{MinWorkers: 2, MaxWorkers: 100, QueueTimeout: time.Hour, RequestTimeout: 0},
			always(bootsFor(10*time.Second)))
		defer p.Stop(context.Background())
		sinks := burst(p, 3) // two workers start, and one more is wanted
		time.Sleep(5 * time.Second)
		if f.count() > 4 {
			t.Fatalf("%d starts", f.count())
		}
		allWell(t, sinks)
	})
}

func TestPoolStaysWithinItsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{MinWorkers: 1, MaxWorkers: 10, MaxPoolMemory: 350, QueueTimeout: time.Hour},
			always(func(w *fakeWorker) {
				w.resident.Store(100)
				bootsFor(time.Millisecond)(w)
			}))
		defer p.Stop(context.Background())
		ready()
		if more := p.dispatch.moreWorkers(); more != "max_workers" {
			t.Errorf("the remedy for a full queue is %s", more)
		}
		sinks := burst(p, 40)
		time.Sleep(5 * time.Second)
		if slots, _ := now(p); slots != 3 {
			t.Fatalf("%d slots", slots)
		}
		f.process(1).resident.Store(10)
		f.process(2).resident.Store(10)
		time.Sleep(3 * time.Second)
		if slots, _ := now(p); slots <= 3 {
			t.Fatalf("%d slots, though there is memory now", slots)
		}
		allWell(t, sinks)
	})
}

func TestWorkersMoreThatDoNotStartAreNotStartedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{MinWorkers: 2, MaxWorkers: 8, QueueTimeout: time.Hour}, func(n int) script {
			if n > 2 {
				return broken
			}
			return bootsFor(0)
		})
		defer p.Stop(context.Background())
		ready()
		allWell(t, burst(p, 120)) // a minute
		if slots, ready := now(p); slots != 2 || ready != 2 || f.count() > 40 {
			t.Fatalf("%d slots, %d ready, %d starts", slots, ready, f.count())
		}
		time.Sleep(time.Second) // one more may have been called for just before the last request
		count := f.count()
		time.Sleep(10 * time.Minute)
		if f.count() != count || p.Status().Failure == "" {
			t.Fatalf("%d starts more while idle", f.count()-count)
		}
	})
}

func TestBusyWorkersSurviveTheShrinking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{MinWorkers: 1, MaxWorkers: 6, IdleTimeout: 2 * time.Second},
			always(bootsFor(0)))
		defer p.Stop(context.Background())
		ready()
		for range 50 { // bursts of 6, 3, 0 … with pauses about as long as the idle time-out
			allWell(t, burst(p, 6))
			time.Sleep(1900 * time.Millisecond)
			sinks := burst(p, 3)
			time.Sleep(110 * time.Millisecond)
			allWell(t, sinks)
			time.Sleep(2 * time.Second)
			allWell(t, burst(p, 1))
		}
		if f.count() < 20 {
			t.Errorf("only %d starts: it did not shrink meanwhile", f.count())
		}
	})
}

func TestWorkersThatCrashAreReplacedAlsoBeyondTheLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{MinWorkers: 1, MaxWorkers: 3}, always(bootsFor(0)))
		defer p.Stop(context.Background())
		ready()
		allWell(t, burst(p, 12))
		f.process(3).die("exit status 7")
		ready()
		if slots, ready := now(p); slots != 3 || ready != 3 {
			t.Fatalf("%d slots, %d ready", slots, ready)
		}
	})
}

func TestPoolThatGrowsDuringAReloadEndsOnTheNewCodeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "current")
		deploy(t, link, "1")
		p, f := newFakePool(t, Settings{MinWorkers: 2, MaxWorkers: 8, Directory: link, QueueTimeout: time.Hour},
			always(bootsFor(time.Second)))
		defer p.Stop(context.Background())
		time.Sleep(2 * time.Second)
		deploy(t, link, "2")
		r := p.Reload()
		time.Sleep(100 * time.Millisecond)
		sinks := burst(p, 60)
		events := follow(r)
		if e := last(events); e.Kind != EventCompleted || e.Workers <= 2 || e.Replaced != e.Workers {
			t.Fatalf("%+v", e)
		}
		for _, w := range p.Status().Workers {
			if w.Generation != 2 && w.State != Draining {
				t.Fatalf("%+v", p.Status().Workers)
			}
		}
		allWell(t, sinks)
		dirs := f.directories()
		if !slices.ContainsFunc(dirs[3:], func(d string) bool { return filepath.Base(d) == "1" }) {
			t.Error("it grew with code that was not proven yet")
		}
		time.Sleep(2 * time.Minute)
		if slots, ready := now(p); slots != 2 || ready != 2 || f.alive() != 2 {
			t.Fatalf("%d slots, %d ready, %d alive", slots, ready, f.alive())
		}
	})
}

func TestBrokenCodeLeavesAPoolThatGrowsOnTheOldCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "current")
		deploy(t, link, "1")
		p, f := newFakePool(t, Settings{MinWorkers: 2, MaxWorkers: 4, Directory: link}, func(n int) script {
			if n == 3 {
				return broken
			}
			return bootsFor(0)
		})
		defer p.Stop(context.Background())
		ready()
		deploy(t, link, "2")
		if e := last(follow(p.Reload())); e.Kind != EventFailed {
			t.Fatalf("%+v", e)
		}
		allWell(t, burst(p, 12))
		if slots, ready := now(p); slots != 4 || ready != 4 {
			t.Fatalf("%d slots, %d ready", slots, ready)
		}
		for _, w := range p.Status().Workers {
			if w.Generation != 1 {
				t.Fatalf("%+v", p.Status().Workers)
			}
		}
		for i, d := range f.directories() {
			if i != 2 && filepath.Base(d) != "1" {
				t.Fatalf("start %d in %s", i+1, d)
			}
		}
	})
}

func TestReloadChangesTheBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{MinWorkers: 1, MaxWorkers: 6}, always(bootsFor(0)))
		defer p.Stop(context.Background())
		ready()
		allWell(t, burst(p, 30))
		reconfigured(t, p, func(s *Settings) { s.MinWorkers, s.MaxWorkers = 2, 3 })
		if e := last(follow(p.Reload())); e.Kind != EventCompleted || e.Workers != 3 {
			t.Fatalf("%+v", e)
		}
		allWell(t, burst(p, 30))
		if slots, ready := now(p); slots != 3 || ready != 3 {
			t.Fatalf("%d slots, %d ready", slots, ready)
		}
		time.Sleep(2 * time.Minute)
		if slots, _ := now(p); slots != 2 {
			t.Fatalf("%d slots", slots)
		}
		reconfigured(t, p, func(s *Settings) { s.MinWorkers, s.MaxWorkers, s.Workers = 0, 0, 5 })
		if e := last(follow(p.Reload())); e.Kind != EventCompleted || e.Workers != 5 {
			t.Fatalf("%+v", e)
		}
		allWell(t, burst(p, 30))
		time.Sleep(2 * time.Minute)
		if slots, ready := now(p); slots != 5 || ready != 5 || f.alive() != 5 {
			t.Fatalf("%d slots, %d ready, %d alive", slots, ready, f.alive())
		}
	})
}

func TestScalingRecyclingAndCrashesTogetherFailNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{MinWorkers: 2, MaxWorkers: 10, MaxRequests: 20, IdleTimeout: 3 * time.Second,
			QueueTimeout: time.Hour}, always(func(w *fakeWorker) {
			time.Sleep(300 * time.Millisecond)
			serve(1, func(w *fakeWorker, r *protocol.Request) {
				time.Sleep(100 * time.Millisecond)
				w.answer(r, "")
			})(w)
		}))
		defer p.Stop(context.Background())
		ready()
		var sinks []*testSink
		for round := range 30 {
			for range 20 {
				sinks = append(sinks, burst(p, 5*(round%4))...)
				time.Sleep(100 * time.Millisecond)
			}
			if round%5 == 2 {
				follow(p.Reload())
			}
			if live := f.alive(); live > 12 { // the most, one that starts for another, and one that drains
				t.Fatalf("%d processes", live)
			}
			time.Sleep(time.Duration(round%3) * 2 * time.Second)
		}
		allWell(t, sinks)
		time.Sleep(time.Minute)
		if slots, ready := now(p); slots != 2 || ready != 2 || f.alive() != 2 {
			t.Fatalf("%d slots, %d ready, %d alive", slots, ready, f.alive())
		}
	})
}

func TestStopWhileScaling(t *testing.T) {
	for wait := range 40 {
		synctest.Test(t, func(t *testing.T) {
			p, f := newFakePool(t, Settings{MinWorkers: 1, MaxWorkers: 8, IdleTimeout: 100 * time.Millisecond},
				always(bootsFor(20*time.Millisecond)))
			ready()
			sinks := burst(p, 6)
			time.Sleep(time.Duration(wait) * 60 * time.Millisecond)
			p.Stop(context.Background())
			allWell(t, sinks)
			if f.alive() != 0 {
				t.Fatalf("%d alive", f.alive())
			}
		})
	}
}
