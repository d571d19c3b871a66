package workers

import (
	"context"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// statesOf are the states of the pool's workers, in the order of their slots.
func statesOf(p *Pool) (all []State) {
	synctest.Wait() // the last exits are noted
	for _, w := range p.Status().Workers {
		all = append(all, w.State)
	}
	return all
}

// startedAfter fails the test unless so many workers were started once d has passed.
func startedAfter(t *testing.T, f *fakes, d time.Duration, want int) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if n := f.count(); n != want {
		t.Fatalf("%d were started, not %d", n, want)
	}
}

func TestFirstWorkerOfAGenerationBootsAloneAndThenTheOthersTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 4, Surge: 4}, always(bootsFor(time.Second)))
		defer p.Stop(context.Background())
		startedAfter(t, f, 900*time.Millisecond, 1)
		if all := statesOf(p); !reflect.DeepEqual(all, []State{Starting, Starting, Starting, Starting}) {
			t.Fatal(all)
		}
		startedAfter(t, f, 200*time.Millisecond, 4)
		if all := statesOf(p); !reflect.DeepEqual(all, []State{Idle, Starting, Starting, Starting}) {
			t.Fatal(all)
		}
		time.Sleep(time.Second)
		idleSlots(t, p)
		r := p.Reload()
		startedAfter(t, f, 900*time.Millisecond, 5)
		startedAfter(t, f, 200*time.Millisecond, 8)
		time.Sleep(time.Second)
		if e := last(follow(r)); e.Kind != EventCompleted || idleSlots(t, p) != 4 {
			t.Fatalf("%+v", e)
		}
		f.process(5).die("exit status 1") // the code is known to boot: nobody waits
		f.process(6).die("exit status 1")
		startedAfter(t, f, 200*time.Millisecond, 10)
	})
}

// The first one may have a long request in flight, which must not hold up the others.
func TestReloadGoesOnWhileTheFirstOldWorkerDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := func(w *fakeWorker, r *protocol.Request) { time.Sleep(20 * time.Second); w.answer(r, "") }
		p, f := newFakePool(t, Settings{Workers: 3, Surge: 3}, always(serve(1, long)))
		defer p.Stop(context.Background())
		ready()
		sinks := burst(p, 3)
		synctest.Wait()
		r := p.Reload()
		startedAfter(t, f, time.Second, 6)
		allWell(t, sinks)
		if e := last(follow(r)); e.Kind != EventCompleted {
			t.Fatalf("%+v", e)
		}
	})
}

func TestCodeThatDoesNotStartIsStartedInOneSlotOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := false
		p, f := newFakePool(t, Settings{Workers: 8}, func(int) script {
			if good {
				return bootsFor(0)
			}
			return broken
		})
		defer p.Stop(context.Background())
		startedAfter(t, f, 50*time.Millisecond, 1)
		time.Sleep(time.Minute)
		if n := f.count(); n < 8 || n > 14 {
			t.Errorf("%d starts in a minute", n)
		}
		p.do(func() { good = true })
		time.Sleep(2 * backoffMost)
		if idleSlots(t, p) != 8 {
			t.Error(statesOf(p))
		}
	})
}

func TestBrokenCodeIsStartedOnceInAReloadWhateverTheSurge(t *testing.T) {
	for _, inPlace := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			set, log := logged(Settings{Workers: 4, Surge: 4, InPlace: inPlace})
			p, f := newFakePool(t, set, func(n int) script {
				if n == 5 {
					return broken
				}
				return bootsFor(100 * time.Millisecond)
			})
			defer p.Stop(context.Background())
			ready()
			old := pids(p)
			e := last(follow(p.Reload()))
			if e.Kind != EventFailed || e.Replaced != 0 || !strings.Contains(e.Error, "PHP Parse error") {
				t.Fatalf("%+v", e)
			}
			if n := strings.Count(log.String(), "PHP Parse error"); n != 1 {
				t.Errorf("it is told %d times:\n%s", n, log)
			}
			started := 5
			if inPlace { // the old code in the place that was empty
				started, old[0] = 6, 1006
			}
			if f.count() != started || idleSlots(t, p) != 4 || !reflect.DeepEqual(pids(p), old) {
				t.Errorf("%d starts, %v were %v", f.count(), pids(p), old)
			}
		})
	}
}

func TestFirstWorkerThatHangsHoldsTheOthersUpUntilItsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 3, StartTimeout: 5 * time.Second}, func(n int) script {
			if n == 1 {
				return func(w *fakeWorker) { w.conn.Accept(); w.hang() }
			}
			return bootsFor(time.Second)
		})
		defer p.Stop(context.Background())
		startedAfter(t, f, 4900*time.Millisecond, 1)
		startedAfter(t, f, 200*time.Millisecond, 2)
		if all := statesOf(p); !reflect.DeepEqual(all, []State{Starting, Starting, Starting}) {
			t.Fatal(all)
		}
		startedAfter(t, f, 1100*time.Millisecond, 4)
		time.Sleep(time.Second)
		if idleSlots(t, p) != 3 || f.alive() != 3 {
			t.Fatalf("%d alive", f.alive())
		}
	})
}

func TestFirstWorkerThatHangsInAReloadEndsItAtItsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 3, Surge: 3, StartTimeout: 5 * time.Second}, func(n int) script {
			if n > 3 {
				return func(w *fakeWorker) { w.conn.Accept(); w.hang() }
			}
			return bootsFor(0)
		})
		defer p.Stop(context.Background())
		ready()
		began := time.Now()
		e := last(follow(p.Reload()))
		took := time.Since(began)
		if e.Kind != EventFailed || !strings.Contains(e.Error, "start_timeout") || took != 5*time.Second ||
			f.count() != 4 || idleSlots(t, p) != 3 {
			t.Fatalf("%+v after %v and %d starts", e, took, f.count())
		}
	})
}

func TestStopWhileTheFirstWorkerBootsStartsNoOther(t *testing.T) {
	for name, reload := range map[string]bool{"at the start": false, "in a reload": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := newFakePool(t, Settings{Workers: 3, Surge: 3}, always(bootsFor(10*time.Second)))
				var r *Roll
				if reload {
					time.Sleep(time.Minute)
					r = p.Reload()
				}
				time.Sleep(time.Second)
				before := f.count()
				p.Stop(context.Background())
				if f.count() != before || f.alive() != 0 {
					t.Errorf("%d starts more, %d alive", f.count()-before, f.alive())
				}
				if reload && last(follow(r)).Error != ErrStopping.Error() {
					t.Errorf("%+v", last(follow(r)))
				}
			})
		})
	}
}

func TestAbortWhileTheFirstWorkerBootsStartsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "current")
		deploy(t, link, "1")
		p, f := newFakePool(t, Settings{Workers: 3, Surge: 3, Directory: link}, always(bootsFor(10*time.Second)))
		defer p.Stop(context.Background())
		time.Sleep(time.Minute)
		deploy(t, link, "2")
		r := p.Reload()
		time.Sleep(time.Second)
		p.Abort()
		if e := last(follow(r)); e.Kind != EventFailed || e.Replaced != 0 || !strings.Contains(e.Error,
			ErrAborted.Error()) {
			t.Fatalf("%+v", e)
		}
		runs(t, p, 1, 3)
		if f.count() != 5 { // the one that was at hand, and the old code in its place
			t.Errorf("%d starts", f.count())
		}
	})
}

func TestGenerationThatHasBootedBeforeIsPutBackWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "current")
		deploy(t, link, "1")
		p, f := newFakePool(t, Settings{Workers: 3, Surge: 3, Directory: link}, always(bootsFor(10*time.Second)))
		defer p.Stop(context.Background())
		time.Sleep(time.Minute)
		deploy(t, link, "2")
		r := p.Reload()
		follow(r)
		back := p.Undo(r)
		startedAfter(t, f, time.Second, 9)
		follow(back)
		runs(t, p, 1, 3)
	})
}

// The first worker of the start may lose its slot to a reload while the others wait for it.
func TestSlotsWhoseFirstWorkerWasReplacedAreFilledAllTheSame(t *testing.T) {
	for name, aborted := range map[string]bool{"the reload fails": false, "it is aborted": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := newFakePool(t, Settings{Workers: 4, StartTimeout: time.Hour}, func(n int) script {
					switch {
					case n == 1:
						return func(w *fakeWorker) { w.conn.Accept(); w.next(protocol.TypeDrain) }
					case n == 3 && !aborted:
						return broken
					}
					return bootsFor(time.Second)
				})
				defer p.Stop(context.Background())
				r := p.Reload()
				time.Sleep(500 * time.Millisecond)
				if aborted {
					p.Abort()
				}
				if e := last(follow(r)); e.Kind != EventFailed || e.Replaced != 1 {
					t.Fatalf("%+v", e)
				}
				first := map[bool]int{false: 4, true: 3}[aborted]
				startedAfter(t, f, 500*time.Millisecond, first) // alone again: it is the first of its generation
				time.Sleep(time.Minute)
				if idleSlots(t, p) != 4 || f.alive() != 4 {
					t.Fatalf("%d alive, %+v", f.alive(), p.Status())
				}
			})
		})
	}
}

// With other bounds than before, a pool can do without some of its slots.
func TestSlotsThatWaitForOneThatIsDroppedAreSeenTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 3}, func(n int) script {
			if n == 2 {
				return bootsFor(0)
			}
			return broken
		})
		defer p.Stop(context.Background())
		synctest.Wait()
		reconfigured(t, p, func(s *Settings) { s.Workers, s.MinWorkers, s.MaxWorkers = 0, 1, 3 })
		if e := last(follow(p.Reload())); e.Kind != EventFailed || e.Replaced != 1 {
			t.Fatalf("%+v", e)
		}
		time.Sleep(time.Minute)
		if slots, ready := now(p); slots != 1 || ready != 1 || f.alive() != 1 {
			t.Fatalf("%d slots, %d ready, %d starts", slots, ready, f.count())
		}
	})
}

func TestPoolDoesNotGrowByCodeThatHasNeverStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{MinWorkers: 2, MaxWorkers: 8, QueueTimeout: time.Hour}, func(n int) script {
			if n == 2 {
				return bootsFor(0)
			}
			return func(w *fakeWorker) { time.Sleep(time.Second); broken(w) }
		})
		defer p.Stop(context.Background())
		synctest.Wait()
		if e := last(follow(p.Reload())); e.Kind != EventFailed || e.Replaced != 1 {
			t.Fatalf("%+v", e)
		}
		allWell(t, burst(p, 60)) // by the one that is new
		if slots, ready := now(p); slots != 2 || ready != 1 || f.count() > 16 {
			t.Fatalf("%d slots, %d ready, %d starts", slots, ready, f.count())
		}
	})
}
