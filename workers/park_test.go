package workers

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// newParkingPool starts a pool whose release is reached by a symlink, and reloads it to a second one.
func newParkingPool(t *testing.T, set Settings, choose func(n int) script) (p *Pool, f *fakes, link string) {
	t.Helper()
	link = filepath.Join(t.TempDir(), "current")
	deploy(t, link, "1")
	set.Directory = link
	if set.Workers == 0 && set.MaxWorkers == 0 {
		set.Workers = 2
	}
	if set.Park == 0 {
		set.Park = 10 * time.Minute
	}
	p, f = newFakePool(t, set, choose)
	ready()
	deploy(t, link, "2")
	if e := last(follow(p.Reload())); e.Kind != EventCompleted {
		t.Fatalf("%+v", e)
	}
	synctest.Wait()
	return p, f, link
}

// inState are the pids of the workers in a state, in the order of their slots.
func inState(p *Pool, state State) (all []int) {
	synctest.Wait()
	for _, w := range p.Status().Workers {
		if w.State == state {
			all = append(all, w.PID)
		}
	}
	return all
}

// goBack rolls the pool back, and gives the events.
func goBack(t *testing.T, p *Pool, generation uint64) []Event {
	t.Helper()
	if err := p.Revert(generation); err != nil {
		t.Fatal(err)
	}
	return follow(p.Reload())
}

func TestARollBackToParkedWorkersStartsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, _ := newParkingPool(t, Settings{Workers: 3}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		if got := inState(p, Parked); !slices.Equal(got, []int{1001, 1002, 1003}) {
			t.Fatalf("%v are parked", got)
		}
		time.Sleep(5 * time.Minute)
		began := time.Now()
		events := goBack(t, p, 0)
		if e := last(events); e.Kind != EventCompleted || e.Generation != 1 || f.count() != 6 {
			t.Fatalf("%+v after %d starts", e, f.count())
		}
		for _, e := range events {
			if e.Kind == EventReplaced && (!e.Parked || e.Boot != 0) {
				t.Errorf("%+v", e)
			}
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		runs(t, p, 1, 3)
		if s, _ := submit(p, "GET", "/"); s.result() != "generation 1" || f.alive() != 3 {
			t.Fatalf("%v, %d alive", s.failure, f.alive())
		}
		if got := p.Metrics().Generations[0].Boots.Count(); got != 3 {
			t.Errorf("%d boots of the parked generation", got)
		}
	})
}

func TestAParkedWorkerGetsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := newParkingPool(t, Settings{}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(time.Millisecond)
			generationWorker(w, r)
		})))
		defer p.Stop(context.Background())
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if s, _ := submit(p, "GET", "/"); s.result() != "generation 2" {
					t.Errorf("%s %v", s.body, s.failure)
				}
			})
		}
		all.Wait()
	})
}

func TestParkedWorkersEndWhenTheirTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, _ := newParkingPool(t, Settings{}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		time.Sleep(10*time.Minute - 2*time.Second)
		if left := p.Status().Workers[1].Parked; f.alive() != 4 || left <= 0 || left > 2*time.Second {
			t.Fatalf("%d alive, %v left", f.alive(), left)
		}
		time.Sleep(3 * time.Second)
		if runs(t, p, 2, 2); f.alive() != 2 {
			t.Fatalf("%d alive", f.alive())
		}
	})
}

func TestOnlyTheGenerationBeforeIsParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, link := newParkingPool(t, Settings{}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		most := 0
		deploy(t, link, "3")
		p.Reload().Follow(context.Background(), func(e Event) error {
			most = max(most, f.alive())
			return nil
		})
		if got := inState(p, Parked); !slices.Equal(got, []int{1003, 1004}) || f.alive() != 4 || most > 6 {
			t.Fatalf("%v are parked, %d alive, %d at most", got, f.alive(), most)
		}
	})
}

func TestAFailedReloadLeavesTheParkedGenerationParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, link := newParkingPool(t, Settings{}, func(n int) script {
			if n > 4 {
				return broken
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		deploy(t, link, "3")
		if e := last(follow(p.Reload())); e.Kind != EventFailed {
			t.Fatalf("%+v", e)
		}
		if e := last(goBack(t, p, 1)); e.Kind != EventCompleted || f.count() != 5 {
			t.Fatalf("%+v after %d starts", e, f.count())
		}
		runs(t, p, 1, 2)
	})
}

func TestWhatAFailedReloadHadReplacedIsPutBackFromTheParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "current")
		deploy(t, link, "1")
		p, f := newFakePool(t, Settings{Workers: 3, Directory: link, Park: time.Hour}, func(n int) script {
			if n == 5 {
				return broken
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		deploy(t, link, "2")
		events := follow(p.Reload())
		if e := events[2]; e.Kind != EventRestored || !e.Parked || e.NewPID != 1001 || f.count() != 5 {
			t.Fatalf("%+v after %d starts", events, f.count())
		}
		if runs(t, p, 1, 3); f.alive() != 3 {
			t.Fatalf("%d alive", f.alive())
		}
	})
}

func TestAParkedWorkerThatDiesIsNotReplacedAndARollBackStartsOneForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, _ := newParkingPool(t, Settings{}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		f.process(1).die("exit status 3")
		time.Sleep(time.Minute)
		if got := inState(p, Parked); !slices.Equal(got, []int{1002}) || f.count() != 4 {
			t.Fatalf("%v are parked, %d starts", got, f.count())
		}
		events := goBack(t, p, 0)
		if e := last(events); e.Kind != EventCompleted || f.count() != 5 {
			t.Fatalf("%+v after %d starts", e, f.count())
		}
		runs(t, p, 1, 2)
	})
}

func TestAParkedWorkerThatAnswersNoPingIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, _ := newParkingPool(t, Settings{}, func(n int) script {
			if n == 1 {
				return func(w *fakeWorker) {
					w.boot(1)
					w.hang()
				}
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		time.Sleep(time.Minute)
		if got := inState(p, Parked); !slices.Equal(got, []int{1002}) || f.alive() != 3 {
			t.Fatalf("%v are parked, %d alive", got, f.alive())
		}
	})
}

func TestParkedWorkersMakeRoomForOnesThatAreNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, _ := newParkingPool(t, Settings{MinWorkers: 2, MaxWorkers: 8, MaxPoolMemory: 4 << 20},
			always(serve(1, func(w *fakeWorker, r *protocol.Request) {
				w.resident.Store(1 << 20)
				time.Sleep(5 * time.Second)
				generationWorker(w, r)
			})))
		defer p.Stop(context.Background())
		for _, w := range f.all {
			w.resident.Store(1 << 20)
		}
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				s, _ := submit(p, "GET", "/")
				s.result()
			})
		}
		time.Sleep(4 * time.Second)
		if got := inState(p, Parked); len(got) != 0 || len(inState(p, Busy)) < 3 {
			t.Errorf("%v are parked, %v busy", got, inState(p, Busy))
		}
		all.Wait()
	})
}

func TestSomeOfTheWorkersStayParkedAndTheOthersStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, _ := newParkingPool(t, Settings{Workers: 3, ParkWorkers: 1}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		if got := inState(p, Parked); !slices.Equal(got, []int{1001}) || f.alive() != 4 {
			t.Fatalf("%v are parked, %d alive", got, f.alive())
		}
		if e := last(goBack(t, p, 0)); e.Kind != EventCompleted || f.count() != 8 {
			t.Fatalf("%+v after %d starts", e, f.count())
		}
		runs(t, p, 1, 3)
	})
}

func TestSlotsThatTheNewSettingsHaveNoMoreComeBackFromTheParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "current")
		deploy(t, link, "1")
		p, f := newFakePool(t, Settings{Workers: 4, Directory: link, Park: time.Hour},
			always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		ready()
		deploy(t, link, "2")
		reconfigured(t, p, func(s *Settings) { s.Workers = 2 })
		follow(p.Reload())
		if got := inState(p, Parked); len(got) != 4 {
			t.Fatalf("%v are parked", got)
		}
		if e := last(goBack(t, p, 0)); e.Kind != EventCompleted || f.count() != 6 {
			t.Fatalf("%+v after %d starts", e, f.count())
		}
		runs(t, p, 1, 4)
	})
}

func TestAWorkerIsParkedOnceItHasFinishedWhatItHas(t *testing.T) {
	for took, parked := range map[time.Duration]bool{10 * time.Second: true, 20 * time.Second: false} {
		synctest.Test(t, func(t *testing.T) {
			link := filepath.Join(t.TempDir(), "current")
			deploy(t, link, "1")
			p, _ := newFakePool(t, Settings{Workers: 1, Directory: link, Park: time.Hour}, always(serve(1,
				func(w *fakeWorker, r *protocol.Request) {
					time.Sleep(took)
					generationWorker(w, r)
				})))
			defer p.Stop(context.Background())
			ready()
			s, _ := submit(p, "GET", "/")
			synctest.Wait()
			deploy(t, link, "2")
			if e := last(follow(p.Reload())); e.Kind != EventCompleted || s.result() != "generation 1" {
				t.Fatalf("%+v, %v", e, s.failure)
			}
			if got := inState(p, Parked); (len(got) == 1) != parked {
				t.Errorf("after %v: %v are parked", took, got)
			}
		})
	}
}

func TestAStagedRollBackThatIsWithdrawnLeavesItsWorkerParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, _ := newParkingPool(t, Settings{}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		if err := p.Revert(1); err != nil {
			t.Fatal(err)
		}
		r := staged(p.Stage())
		r.Withdraw()
		follow(r)
		if got := inState(p, Parked); len(got) != 2 || f.count() != 4 || p.Status().Generation != 2 {
			t.Fatalf("%v are parked after %d starts", got, f.count())
		}
		if err := p.Revert(1); err != nil {
			t.Fatal(err)
		}
		r = staged(p.Stage())
		r.Proceed()
		if e := last(follow(r)); e.Kind != EventCompleted || f.count() != 4 {
			t.Fatalf("%+v after %d starts", e, f.count())
		}
		runs(t, p, 1, 2)
	})
}

func TestStopEndsParkedWorkersToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, _ := newParkingPool(t, Settings{}, always(serve(1, generationWorker)))
		if p.Stop(context.Background()); f.alive() != 0 {
			t.Fatalf("%d alive", f.alive())
		}
	})
}

func TestCodeThatIsEditedInPlaceIsNotParkedAndTheLogSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		logger := hclog.New(&hclog.LoggerOptions{Output: &log})
		p, f := newFakePool(t, Settings{Workers: 2, Park: time.Hour, Logger: logger},
			always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		ready()
		follow(p.Reload())
		if runs(t, p, 2, 2); f.alive() != 2 {
			t.Fatalf("%d alive", f.alive())
		}
		err := p.Revert(0)
		if err == nil || !strings.Contains(err.Error(), "into a folder of its own") ||
			!strings.Contains(log.String(), "old workers are not parked") {
			t.Fatalf("%v\n%s", err, &log)
		}
	})
}

func TestAReleaseThatStillStandsIsGoneBackToByAnOrdinaryRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, link := newParkingPool(t, Settings{Park: time.Second}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		deploy(t, link, "3")
		reconfigured(t, p, func(s *Settings) { s.Workers = 3 })
		follow(p.Reload())
		time.Sleep(time.Minute)
		if got := p.Remembered(); !slices.Equal(got, []uint64{1, 2, 3}) {
			t.Fatalf("%v", got)
		}
		if e := last(goBack(t, p, 1)); e.Kind != EventCompleted || e.Generation != 1 || f.count() != 9 {
			t.Fatalf("%+v after %d starts", e, f.count())
		}
		runs(t, p, 1, 2)
		if err := p.Revert(0); err == nil || !strings.Contains(err.Error(), "nothing before generation 1") {
			t.Errorf("%v", err)
		}
		for number, want := range map[uint64]string{1: "runs generation 1 already", 9: "generation 9 is not known"} {
			if err := p.Revert(number); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
		// forward, to what was turned away from, and to what the symlink says
		if e := last(goBack(t, p, 3)); e.Kind != EventCompleted || e.Generation != 3 {
			t.Fatalf("%+v", e)
		}
		runs(t, p, 3, 3)
		if e := last(follow(p.Reload())); e.Generation != 4 {
			t.Fatalf("%+v", e)
		}
	})
}

func TestARollBackParksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f, _ := newParkingPool(t, Settings{}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		goBack(t, p, 0)
		if runs(t, p, 1, 2); f.alive() != 2 {
			t.Fatalf("%d alive", f.alive())
		}
	})
}

func TestParkedWorkersServeUnderLoadWithoutAFailedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := serve(2, func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(3 * time.Millisecond)
			generationWorker(w, r)
		})
		p, _, link := newParkingPool(t, Settings{Workers: 4}, always(answer))
		defer p.Stop(context.Background())
		ctx, stop := context.WithCancel(context.Background())
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for ctx.Err() == nil {
					if s, _ := submit(p, "POST", "/"); !strings.HasPrefix(s.result(), "generation") {
						t.Errorf("%v", s.failure)
					}
				}
			})
		}
		for i := range 20 {
			if i%2 == 0 {
				goBack(t, p, 0)
			} else {
				deploy(t, link, string(rune('a'+i)))
				follow(p.Reload())
			}
			time.Sleep(10 * time.Millisecond)
		}
		stop()
		all.Wait()
	})
}
