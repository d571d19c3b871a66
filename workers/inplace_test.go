package workers

import (
	"context"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// exclusive is a worker that dies if another one runs beside it.
func exclusive(holders *atomic.Int32, limit int32, s script) script {
	return func(w *fakeWorker) {
		defer holders.Add(-1)
		if holders.Add(1) > limit {
			w.errs.Write([]byte("address in use\n"))
			return
		}
		s(w)
	}
}

func TestReloadInPlaceEndsTheOldWorkerFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var holders atomic.Int32
		p, f := newFakePool(t, Settings{Workers: 1, InPlace: true, MaxRequests: 3}, func(n int) script {
			return exclusive(&holders, 1, serve(1, func(w *fakeWorker, r *protocol.Request) {
				time.Sleep(time.Second)
				generationWorker(w, r)
			}))
		})
		defer p.Stop(context.Background())
		ready()
		old, _ := submit(p, "POST", "/")
		synctest.Wait()
		r := p.Reload()
		synctest.Wait()
		next, _ := submit(p, "POST", "/") // there is nobody to take it now: it waits
		events := follow(r)
		if e := events[1]; e.Kind != EventReplaced || e.OldPID != 1001 || e.NewPID != 1002 || e.Drained != 1 ||
			last(events).Kind != EventCompleted {
			t.Fatalf("%+v", events)
		}
		if old.result() != "generation 1" || next.result() != "generation 2" {
			t.Fatal(old.failure, next.failure)
		}
		for range 4 { // recycling is no different
			if s, _ := submit(p, "POST", "/"); s.result() != "generation 2" {
				t.Fatal(s.failure)
			}
			time.Sleep(time.Second)
		}
		if f.count() != 3 || idleSlots(t, p) != 1 {
			t.Fatalf("%d starts: %+v", f.count(), p.Status())
		}
	})
}

func TestFailedReloadInPlaceStartsTheOldCodeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2, InPlace: true}, func(n int) script {
			if n == 3 {
				return broken
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		e := last(follow(p.Reload()))
		if e.Kind != EventFailed || e.Replaced != 0 || !strings.Contains(e.Error, "PHP Parse error") ||
			f.count() != 4 || idleSlots(t, p) != 2 {
			t.Fatalf("%+v, %+v", e, p.Status())
		}
		for _, w := range p.Status().Workers {
			if w.Generation != 1 {
				t.Fatalf("%+v", w)
			}
		}
	})
}

func TestSurgeIsHowManyNewWorkersStartAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var most int
		p, _ := newFakePool(t, Settings{Workers: 5, Surge: 3}, always(func(w *fakeWorker) {
			time.Sleep(time.Second)
			serve(1, generationWorker)(w)
		}))
		defer p.Stop(context.Background())
		time.Sleep(3 * time.Second)
		began := time.Now()
		r := p.Reload()
		for range 30 {
			time.Sleep(100 * time.Millisecond)
			starting := 0
			for _, w := range p.Status().Workers {
				if w.State == Starting {
					starting++
				}
			}
			most = max(most, starting)
		}
		events := follow(r)
		if e := last(events); e.Kind != EventCompleted || e.Replaced != 5 || most != 3 ||
			time.Since(began) > 4*time.Second || idleSlots(t, p) != 5 {
			t.Fatalf("%d at once: %+v", most, events)
		}
	})
}

func TestStatusShowsHowFarAReloadIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 3}, always(func(w *fakeWorker) {
			time.Sleep(time.Second)
			serve(1, generationWorker)(w)
		}))
		defer p.Stop(context.Background())
		time.Sleep(2 * time.Second)
		r := p.Reload()
		time.Sleep(1500 * time.Millisecond)
		if st := p.Status(); !st.Reloading || st.Roll != (Progress{Generation: 2, Replaced: 1, Workers: 3}) {
			t.Fatalf("%+v", st.Roll)
		}
		follow(r)
		synctest.Wait()
		if st := p.Status(); st.Reloading || st.Roll != (Progress{}) {
			t.Fatalf("%+v", st.Roll)
		}
	})
}

func TestAbortedReloadStopsAfterTheSlotAtHand(t *testing.T) {
	for name, test := range map[string]struct {
		again bool // the old release still stands
		want  []EventKind
		runs  []uint64
	}{
		"in place": {false, []EventKind{EventBegun, EventReplaced, EventReplaced, EventFailed}, []uint64{2, 2, 1}},
		"pinned": {true, []EventKind{EventBegun, EventReplaced, EventReplaced, EventRestored, EventRestored,
			EventFailed}, []uint64{1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := filepath.Join(t.TempDir(), "current")
				deploy(t, link, "1")
				p, _ := newFakePool(t, Settings{Workers: 3, Directory: link}, always(func(w *fakeWorker) {
					time.Sleep(time.Second)
					serve(1, generationWorker)(w)
				}))
				defer p.Stop(context.Background())
				time.Sleep(2 * time.Second)
				if p.Abort() {
					t.Fatal("there was nothing to abort")
				}
				if test.again {
					deploy(t, link, "2")
				}
				r := p.Reload()
				next := p.Reload()
				time.Sleep(1500 * time.Millisecond)
				if !p.Abort() {
					t.Fatal("there was a reload")
				}
				events := follow(r)
				e := last(events)
				if !reflect.DeepEqual(kinds(events), test.want) || e.NewPID != 0 ||
					!strings.Contains(e.Error, ErrAborted.Error()) {
					t.Fatalf("%+v", events)
				}
				if e := last(follow(next)); e.Kind != EventFailed {
					t.Fatalf("%+v", e)
				}
				synctest.Wait()
				var runs []uint64
				for _, w := range p.Status().Workers {
					runs = append(runs, w.Generation)
				}
				if !reflect.DeepEqual(runs, test.runs) || p.Status().Reloading {
					t.Fatalf("%v", runs)
				}
			})
		})
	}
}
