package workers

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// struck is a worker that somebody kills before it is READY.
func struck(how string) script {
	return func(w *fakeWorker) {
		w.conn.Accept()
		time.Sleep(50 * time.Millisecond)
		w.die(how)
	}
}

func TestNewWorkerThatIsKilledFromOutsideIsTriedOnceMoreInARoll(t *testing.T) {
	for _, inPlace := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, f := newFakePool(t, Settings{Workers: 2, InPlace: inPlace}, func(n int) script {
				if n == 3 {
					return struck("signal: killed")
				}
				return serve(1, generationWorker)
			})
			defer p.Stop(context.Background())
			ready()
			old := pids(p)
			events := follow(p.Reload())
			if want := []EventKind{EventBegun, EventReplaced, EventReplaced,
				EventCompleted}; !reflect.DeepEqual(kinds(events), want) {
				t.Fatalf("%v", kinds(events))
			}
			if e := events[1]; e.Again != "signal: killed" || e.OldPID != old[0] || e.Generation != 2 ||
				events[2].Again != "" {
				t.Fatalf("%+v", events)
			}
			if s, _ := submit(p, "GET", "/"); s.result() != "generation 2" || p.Status().Failure != "" {
				t.Fatal(f.count(), s.failure, p.Status().Failure)
			}
		})
	}
}

func TestNewWorkerThatIsKilledTwiceEndsTheRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, func(n int) script {
			if n > 2 {
				return struck("signal: terminated")
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		e := last(follow(p.Reload()))
		if e.Kind != EventFailed || !strings.Contains(e.Error, "signal: terminated") || f.count() != 4 {
			t.Fatalf("%+v after %d starts", e, f.count())
		}
		if s, _ := submit(p, "GET", "/"); s.result() != "generation 1" {
			t.Fatal(s.failure)
		}
	})
}

func TestBrokenCodeIsNotTriedTwiceInARoll(t *testing.T) {
	for name, bad := range map[string]script{
		"it exits":            func(w *fakeWorker) { w.die("exit status 255") },
		"it says FAILED":      broken,
		"it crashes":          struck("signal: segmentation fault"),
		"it never says READY": func(w *fakeWorker) { w.conn.Accept(); w.hang() },
		"it breaks the link":  func(w *fakeWorker) { w.conn.Accept(); w.conn.Send(&protocol.Drain{}); w.hang() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := newFakePool(t, Settings{Workers: 1, StartTimeout: 5 * time.Second}, func(n int) script {
					if n > 1 {
						return bad
					}
					return serve(1, generationWorker)
				})
				defer p.Stop(context.Background())
				ready()
				if e := last(follow(p.Reload())); e.Kind != EventFailed || f.count() != 2 {
					t.Fatalf("%+v after %d starts", e, f.count())
				}
			})
		})
	}
}

func TestAbortedReloadTriesNobodyOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n > 1 {
				return struck("signal: killed")
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		r := p.Reload()
		time.Sleep(10 * time.Millisecond)
		p.Abort()
		if e := last(follow(r)); e.Kind != EventFailed || f.count() != 2 {
			t.Fatalf("%+v after %d starts", e, f.count())
		}
	})
}
