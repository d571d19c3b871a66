package workers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func kinds(events []Event) (all []EventKind) {
	for _, e := range events {
		all = append(all, e.Kind)
	}
	return all
}

func last(events []Event) Event { return events[len(events)-1] }

// broken is a worker whose code does not load.
func broken(w *fakeWorker) {
	w.conn.Accept()
	w.conn.Send(&protocol.Failed{Message: "PHP Parse error"})
}

func TestReloadUnderLoadFailsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 4}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(3 * time.Millisecond)
			generationWorker(w, r)
		})))
		defer p.Stop(context.Background())
		done := make(chan struct{})
		var clients sync.WaitGroup
		for range 16 {
			clients.Go(func() {
				for newest := ""; ; {
					s, _ := submit(p, "POST", "/")
					got := s.result()
					if s.failure != nil {
						t.Error(s.failure)
						return
					}
					newest = max(newest, got)
					select {
					case <-done:
						return
					default:
					}
				}
			})
		}
		for range 5 {
			if e := last(follow(p.Reload())); e.Kind != EventCompleted || e.Replaced != 4 {
				t.Errorf("%+v", e)
			}
		}
		close(done)
		clients.Wait()
	})
}

func TestNewWorkerIsReadyBeforeTheOldOneDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, func(n int) script {
			return func(w *fakeWorker) {
				if n > 2 {
					time.Sleep(10 * time.Second)
				}
				serve(1, generationWorker)(w)
			}
		})
		defer p.Stop(context.Background())
		ready()
		r := p.Reload()
		for i := range 200 {
			time.Sleep(100 * time.Millisecond)
			serving, starting := 0, 0
			for _, w := range p.Status().Workers {
				switch w.State {
				case Idle, Busy:
					serving++
				case Starting:
					starting++
				}
			}
			if serving < 2 || starting > 1 {
				t.Fatalf("at %d: %d serve, %d start: %+v", i, serving, starting, p.Status().Workers)
			}
		}
		if e := last(follow(r)); e.Kind != EventCompleted || f.count() != 4 {
			t.Fatalf("%+v", e)
		}
	})
}

func TestReloadReportsEachWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 2}, always(func(w *fakeWorker) {
			time.Sleep(40 * time.Millisecond)
			serve(1, func(w *fakeWorker, r *protocol.Request) { time.Sleep(5 * time.Second); w.answer(r, "") })(w)
		}))
		defer p.Stop(context.Background())
		ready()
		old := pids(p)
		s, _ := submit(p, "GET", "/") // the most recently used one gets it
		events := follow(p.Reload())
		now := pids(p)
		if want := []EventKind{EventBegun, EventReplaced, EventReplaced,
			EventCompleted}; !reflect.DeepEqual(kinds(events), want) {
			t.Fatalf("%v", kinds(events))
		}
		drained := 0
		for i, e := range events[1:3] {
			drained += e.Drained
			if e.Slot != i || e.OldPID != old[i] || e.NewPID != now[i] || e.Generation != 2 ||
				e.Boot != 41*time.Millisecond || e.Pool != "default" || len(e.Cut) > 0 {
				t.Fatalf("%+v; %v became %v", e, old, now)
			}
		}
		if drained != 1 || s.failureKind() != 0 {
			t.Fatalf("%d drained", drained)
		}
	})
}

func TestRequestsThatOutlastTheDrainAreCutAndNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var resets []protocol.ResetCode
		p, f := newFakePool(t, Settings{Workers: 1, DrainTimeout: 10 * time.Second}, func(n int) script {
			return serve(8, func(w *fakeWorker, r *protocol.Request) {
				switch {
				case n > 1:
					w.answer(r, "new")
				case r.Target == "/soon":
					go func() { time.Sleep(5 * time.Second); w.answer(r, "soon") }()
				case r.Target == "/whole": // but its code runs on
					w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd, Status: 200,
						Body: []byte("whole")})
				case r.Target == "/last":
					for range 3 {
						payload, _ := w.next(protocol.TypeReset)
						var m protocol.Reset
						m.Parse(payload)
						resets = append(resets, m.Code)
						w.conn.Send(&protocol.Done{Stream: m.Stream})
					}
				}
			})
		})
		defer p.Stop(context.Background())
		ready()
		soon, _ := submit(p, "GET", "/soon")
		slow, _ := submit(p, "POST", "/slow")
		whole, _ := submit(p, "GET", "/whole")
		late, _ := submit(p, "GET", "/last")
		synctest.Wait()
		r := p.Reload()
		synctest.Wait()
		time.Sleep(time.Second)
		if next, _ := submit(p, "GET", "/"); next.result() != "new" {
			t.Fatal("the drain holds up new requests")
		}
		events := follow(r)
		e := events[1]
		slices.Sort(e.Cut)
		if !reflect.DeepEqual(e.Cut, []string{"GET /last", "POST /slow"}) || e.Drained != 2 {
			t.Fatalf("%+v", e)
		}
		if slow.failed(t).Kind != protocol.FailedDrained || late.failed(t).Kind != protocol.FailedDrained ||
			whole.result() != "whole" || soon.result() != "soon" {
			t.Fatal(soon.failure, slow.failure, whole.failure, late.failure)
		}
		if last(events).Kind != EventCompleted || len(resets) != 3 || resets[0] != protocol.ResetDrained ||
			f.process(1).how != "exit status 0" {
			t.Fatalf("%+v %v %s", last(events), resets, f.process(1).how)
		}
	})
}

func TestReloadsAskedForDuringAReloadJoinOneMorePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, always(func(w *fakeWorker) {
			time.Sleep(time.Second)
			serve(1, generationWorker)(w)
		}))
		defer p.Stop(context.Background())
		ready()
		ready()
		one := p.Reload()
		time.Sleep(500 * time.Millisecond)
		two, three := p.Reload(), p.Reload()
		if one == two || two != three {
			t.Fatal("the later reloads do not share one pass")
		}
		first, second := follow(one), follow(two)
		if last(first).Generation != 2 || last(second).Generation != 3 || last(second).Kind != EventCompleted ||
			f.count() != 6 {
			t.Fatalf("%+v, %+v, %d starts", last(first), last(second), f.count())
		}
		time.Sleep(time.Minute)
		if f.count() != 6 || p.Status().Reloading {
			t.Fatal("there was a third pass")
		}
	})
}

func TestReloadAfterAFailedOneGetsAGenerationOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n == 2 {
				return broken
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		if e := last(follow(p.Reload())); e.Kind != EventFailed || e.Generation != 2 || p.Status().Generation != 1 {
			t.Fatalf("%+v", e)
		}
		if e := last(follow(p.Reload())); e.Kind != EventCompleted || e.Generation != 3 || p.Status().Generation != 3 {
			t.Fatalf("%+v", e)
		}
	})
}

// deploy points the link at a folder of the name.
func deploy(t *testing.T, link, release string) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(link), release)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	os.Remove(link)
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	dir, _ = filepath.EvalSymlinks(dir)
	return dir
}

func TestFailedReloadPutsSwappedSlotsBackOnTheOldRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "current")
		one := deploy(t, link, "1")
		p, f := newFakePool(t, Settings{Workers: 3, Directory: link}, func(n int) script {
			if n == 6 { // the third of the new release
				return broken
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		two := deploy(t, link, "2")
		events := follow(p.Reload())
		if want := []EventKind{EventBegun, EventReplaced, EventReplaced, EventRestored, EventRestored,
			EventFailed}; !reflect.DeepEqual(kinds(events), want) {
			t.Fatalf("%v", kinds(events))
		}
		if e := events[0]; e.Directory != two || !e.Pinned {
			t.Fatalf("%+v", e)
		}
		if e := last(events); e.Replaced != 0 || e.Slot != 2 || e.Error != "PHP Parse error" {
			t.Fatalf("%+v", e)
		}
		synctest.Wait() // the last exits are noted
		st := p.Status()
		if st.Generation != 1 || st.Directory != one {
			t.Fatalf("%+v", st)
		}
		for _, w := range st.Workers {
			if w.Generation != 1 {
				t.Fatalf("%+v", w)
			}
		}
		f.process(3).Kill() // a worker that crashes comes back with the release of its generation
		time.Sleep(time.Second)
		for _, dir := range f.directories()[6:] {
			if dir != one {
				t.Fatalf("workers were started in %v", f.directories())
			}
		}
	})
}

func TestFailedReloadInOnePlaceKeepsWhatWasSwapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 3}, func(n int) script {
			if n == 5 {
				return broken
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		events := follow(p.Reload())
		if e := last(events); e.Kind != EventFailed || e.Replaced != 1 || e.Slot != 1 {
			t.Fatalf("%+v", e)
		}
		synctest.Wait()
		var generations []uint64
		for _, w := range p.Status().Workers {
			generations = append(generations, w.Generation)
		}
		if !reflect.DeepEqual(generations, []uint64{2, 1, 1}) || p.Status().Pinned {
			t.Fatalf("%v", generations)
		}
	})
}

func TestReloadMendsAPoolThatBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := false
		p, f := newFakePool(t, Settings{Workers: 2, QueueTimeout: time.Hour}, func(n int) script {
			if !good {
				return broken
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		time.Sleep(time.Minute)
		for _, w := range p.Status().Workers {
			if w.State != BackingOff {
				t.Fatalf("%+v", w)
			}
		}
		p.do(func() { good = true })
		events := follow(p.Reload())
		s, _ := submit(p, "GET", "/")
		if e := last(events); e.Kind != EventCompleted || events[1].OldPID != 0 || s.result() != "generation 2" {
			t.Fatalf("%+v", events)
		}
		started := f.count()
		time.Sleep(time.Hour)
		if f.count() != started || p.Status().Failure != "" {
			t.Fatal("the old attempts go on")
		}
	})
}

func TestReloadReplacesWorkersThatStillStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2, StartTimeout: time.Hour}, func(n int) script {
			if n == 1 {
				return func(w *fakeWorker) { w.conn.Accept(); w.next(protocol.TypeDrain) }
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		if e := last(follow(p.Reload())); e.Kind != EventCompleted {
			t.Fatalf("%+v", e)
		}
		time.Sleep(time.Minute)
		if f.count() != 3 || p.Status().Failure != "" {
			t.Fatalf("%d starts, %q", f.count(), p.Status().Failure)
		}
	})
}

func TestWorkerThatDiesWhileItsSuccessorFailsIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n == 2 {
				return func(w *fakeWorker) { w.conn.Accept(); time.Sleep(time.Second) }
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		r := p.Reload()
		time.Sleep(100 * time.Millisecond)
		f.process(1).Kill()
		if e := last(follow(r)); e.Kind != EventFailed {
			t.Fatalf("%+v", e)
		}
		if s, _ := submit(p, "GET", "/"); s.result() != "generation 1" || f.count() != 3 {
			t.Fatal(s.failure)
		}
	})
}

func TestReloadThatCanNotBeginChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := false
		p, f := newFakePool(t, Settings{Workers: 2,
			Prepare: func(ctx context.Context, dir string, generation uint64) ([]string, error) {
				if fail {
					return nil, errors.New("go build: main.go:3: syntax error")
				}
				return []string{"/bin/sh"}, nil
			}}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		ready()
		fail = true
		events := follow(p.Reload())
		if e := last(events); len(events) != 1 || e.Kind != EventFailed ||
			e.Error != "pool default: go build: main.go:3: syntax error" || f.count() != 2 ||
			p.Status().Generation != 1 {
			t.Fatalf("%+v", events)
		}
	})
}

func TestFollowersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 2}, always(func(w *fakeWorker) {
			time.Sleep(time.Second)
			serve(1, generationWorker)(w)
		}))
		defer p.Stop(context.Background())
		r := p.Reload()
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if err := r.Follow(ctx, func(Event) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		full := errors.New("no more paper")
		if err := r.Follow(context.Background(), func(Event) error { return full }); err != full {
			t.Fatal(err)
		}
		live, afterwards := follow(r), follow(r)
		if len(live) != 4 || !reflect.DeepEqual(live, afterwards) {
			t.Fatalf("%v, %v", live, afterwards)
		}
	})
}

func TestCodeThatDiesRightAfterREADYEndsTheRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 4}, func(n int) script {
			return func(w *fakeWorker) {
				time.Sleep(50 * time.Millisecond)
				if w.boot(1); n > 4 {
					time.Sleep(20 * time.Millisecond)
					w.die("exit status 255")
				}
				w.loop(generationWorker)
			}
		})
		defer p.Stop(context.Background())
		ready()
		events := follow(p.Reload())
		e := last(events)
		if e.Kind != EventFailed || e.Slot != 0 || e.Replaced > 2 ||
			e.Error != "worker 0 was ready, and died before it finished a request; its log says why" {
			t.Fatalf("%+v", events)
		}
		for range 20 {
			if s, _ := submit(p, "POST", "/"); s.result() != "generation 1" {
				t.Fatal(s.failure)
			}
		}
	})
}

func TestAReloadWaitsBetweenWorkersAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paced := 0
		settings := Settings{Workers: 3, Pace: func(ctx context.Context) {
			paced++
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
			}
		}}
		p, _ := newFakePool(t, settings, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		began := time.Now()
		follow(p.Reload())
		if took := time.Since(began); paced != 2 || took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("it waited %d times, and took %v", paced, took)
		}
		began = time.Now()
		r := p.Reload()
		time.Sleep(time.Second)
		p.Abort()
		if events := follow(r); !errors.Is(last(events).Cause, ErrAborted) || time.Since(began) > time.Minute {
			t.Errorf("aborted after %v: %v", time.Since(began), last(events))
		}
	})
}
