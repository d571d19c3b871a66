package workers

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// staged waits until the roll is held or has ended.
func staged(r *Roll) *Roll {
	r.Follow(context.Background(), func(e Event) error {
		if e.Kind == EventStaged {
			return errors.New("held")
		}
		return nil
	})
	return r
}

// runs fails the test unless all slots run the generation, and it is the pool's.
func runs(t *testing.T, p *Pool, generation uint64, workers int) {
	t.Helper()
	synctest.Wait() // the last exits are noted
	st := p.Status()
	if st.Generation != generation || len(st.Workers) != workers {
		t.Fatalf("%+v", st)
	}
	if live, coming := p.Serving(); live != generation || coming != 0 {
		t.Fatalf("generation %d serves, and %d comes", live, coming)
	}
	for _, w := range st.Workers {
		if w.Generation != generation || w.State != Idle {
			t.Fatalf("%+v", st.Workers)
		}
	}
}

func TestStagedRollChangesNothingUntilItMayProceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		ready()
		reconfigured(t, p, func(s *Settings) { s.Queue = 7 })
		r := staged(p.Stage())
		time.Sleep(time.Hour)
		if s, _ := submit(p, "GET", "/"); s.result() != "generation 1" {
			t.Fatal(s.failure)
		}
		if live, coming := p.Serving(); live != 1 || coming != 2 {
			t.Fatalf("generation %d serves, and %d comes", live, coming)
		}
		if limit, _ := p.dispatch.bounds(); limit != 1024 || p.Status().Generation != 1 || f.count() != 3 {
			t.Fatalf("queue %d, %+v, %d starts", limit, p.Status(), f.count())
		}
		f.process(1).Kill() // what crashes meanwhile comes back with what it ran
		ready()
		if s, _ := submit(p, "GET", "/"); s.result() != "generation 1" {
			t.Fatal(s.failure)
		}
		r.Proceed()
		events := follow(r)
		want := []EventKind{EventBegun, EventStaged, EventReplaced, EventReplaced, EventCompleted}
		if !reflect.DeepEqual(kinds(events), want) {
			t.Fatalf("%+v", events)
		}
		// two, the staged one, that for the one that crashed, one more
		if e := events[1]; e.NewPID != 1003 || e.NewPID != events[2].NewPID || e.Boot <= 0 || f.count() != 5 {
			t.Fatalf("%+v after %d starts", events, f.count())
		}
		runs(t, p, 2, 2)
	})
}

func TestWithdrawnRollChangesNothing(t *testing.T) {
	for name, end := range map[string]func(*Pool, *Roll){
		ErrWithdrawn.Error(): func(_ *Pool, r *Roll) { r.Withdraw() },
		ErrAborted.Error():   func(p *Pool, _ *Roll) { p.Abort() },
	} {
		synctest.Test(t, func(t *testing.T) {
			p, f := newFakePool(t, Settings{Workers: 2}, always(serve(1, generationWorker)))
			defer p.Stop(context.Background())
			ready()
			reconfigured(t, p, func(s *Settings) { s.Workers = 5 })
			r := staged(p.Stage())
			end(p, r)
			if e := last(follow(r)); e.Kind != EventFailed || e.Error != name || e.Replaced != 0 {
				t.Fatalf("%+v", e)
			}
			runs(t, p, 1, 2)
			if f.alive() != 2 || p.Status().Reloading {
				t.Fatalf("%d alive", f.alive())
			}
			// what was withdrawn is forgotten
			if e := last(follow(p.Reload())); e.Kind != EventCompleted || e.Workers != 2 {
				t.Fatalf("%+v", e)
			}
		})
	}
}

func TestStagedCodeThatDoesNotStartEndsTheRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, func(n int) script {
			if n > 2 {
				return broken
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		if e := last(follow(staged(p.Stage()))); e.Kind != EventFailed || e.Error != "PHP Parse error" ||
			e.NewPID == 0 {
			t.Fatalf("%+v", e)
		}
		runs(t, p, 1, 2)
		if f.count() != 3 {
			t.Fatalf("%d starts", f.count())
		}
	})
}

func TestStagedWorkerThatDiesOfItselfEndsTheRollAndOneThatIsKilledDoesNot(t *testing.T) {
	for how, want := range map[string]EventKind{"exit status 255": EventFailed, "signal: killed": EventCompleted} {
		synctest.Test(t, func(t *testing.T) {
			p, f := newFakePool(t, Settings{Workers: 2}, always(serve(1, generationWorker)))
			defer p.Stop(context.Background())
			ready()
			r := staged(p.Stage())
			f.process(3).die(how)
			synctest.Wait()
			r.Proceed()
			if e := last(follow(r)); e.Kind != want || want == EventFailed && !strings.Contains(e.Error, how) {
				t.Fatalf("%s: %+v", how, e)
			}
			runs(t, p, map[EventKind]uint64{EventFailed: 1, EventCompleted: 2}[want], 2)
		})
	}
}

func TestStagedWorkerThatIsKilledAsItStartsIsTriedOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n == 2 {
				return struck("signal: killed")
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		r := staged(p.Stage())
		r.Proceed()
		if events := follow(r); last(events).Kind != EventCompleted || events[1].Again != "signal: killed" {
			t.Fatalf("%+v", events)
		}
	})
}

func TestPoolThatIsReplacedInPlaceIsStagedWithoutAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, InPlace: true}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		ready()
		r := staged(p.Stage())
		if f.count() != 1 {
			t.Fatal("a second one was started beside one that has to be alone")
		}
		r.Proceed()
		if e := last(follow(r)); e.Kind != EventCompleted {
			t.Fatalf("%+v", e)
		}
		runs(t, p, 2, 1)
	})
}

func TestStopEndsAStagedRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, always(serve(1, generationWorker)))
		ready()
		r := staged(p.Stage())
		p.Stop(context.Background())
		if e := last(follow(r)); e.Kind != EventFailed || e.Error != ErrStopping.Error() || f.alive() != 0 {
			t.Fatalf("%+v, %d alive", e, f.alive())
		}
	})
}

func TestCompletedRollIsUndoneWhereTheReleaseStillStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "current")
		one := deploy(t, link, "1")
		p, f := newFakePool(t, Settings{Workers: 2, Directory: link}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		ready()
		deploy(t, link, "2")
		reconfigured(t, p, func(s *Settings) { s.Workers, s.Queue = 3, 7 })
		r := p.Reload()
		follow(r)
		runs(t, p, 2, 3)
		events := follow(p.Undo(r))
		want := []EventKind{EventBegun, EventRestored, EventRestored, EventRemoved, EventCompleted}
		if !reflect.DeepEqual(kinds(events), want) || last(events).Generation != 1 {
			t.Fatalf("%+v", events)
		}
		runs(t, p, 1, 2)
		if limit, _ := p.dispatch.bounds(); limit != 1024 || p.Status().Directory != one || f.directories()[6] != one {
			t.Fatalf("queue %d, %v", limit, f.directories())
		}
		if e := last(follow(p.Reload())); e.Kind != EventCompleted || e.Generation != 3 {
			t.Fatalf("%+v", e)
		}
		if e := last(follow(p.Undo(r))); e.Kind != EventFailed || e.Error != "another reload came between" {
			t.Fatalf("%+v", e)
		}
	})
}

func TestRollInOnePlaceCanNotBeUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		ready()
		r := p.Reload()
		follow(r)
		if e := last(follow(p.Undo(r))); e.Kind != EventFailed || !strings.Contains(e.Error, "edited in place") {
			t.Fatalf("%+v", e)
		}
		runs(t, p, 2, 2)
		if f.count() != 4 {
			t.Fatalf("%d starts", f.count())
		}
	})
}

func TestRollToOtherSettingsOfOneReleaseIsUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "current")
		deploy(t, link, "1")
		p, _ := newFakePool(t, Settings{Workers: 2, Directory: link}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		ready()
		reconfigured(t, p, func(s *Settings) { s.Workers = 3 })
		r := p.Reload()
		follow(r)
		runs(t, p, 2, 3)
		if e := last(follow(p.Undo(r))); e.Kind != EventCompleted {
			t.Fatalf("%+v", e)
		}
		runs(t, p, 1, 2)
	})
}
