package workers

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestRequestIsAnsweredByAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 2}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/")
		if got := s.result(); got != "generation 1" {
			t.Fatalf("got %q", got)
		}
	})
}

func TestReloadReplacesEveryWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 3}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		<-p.Started()
		var kinds []EventKind
		p.Reload().Follow(context.Background(), func(e Event) error { kinds = append(kinds, e.Kind); return nil })
		if len(kinds) != 5 || kinds[4] != EventCompleted {
			t.Fatalf("events %v", kinds)
		}
		s, _ := submit(p, "GET", "/")
		if got := s.result(); got != "generation 2" || f.count() != 6 {
			t.Fatalf("got %q from %d workers", got, f.count())
		}
	})
}

func TestBrokenCodeLeavesEveryOldWorkerServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, func(n int) script {
			if n > 2 {
				return func(w *fakeWorker) {
					w.conn.Accept()
					w.conn.Send(&protocol.Failed{Message: "PHP Parse error"})
				}
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		<-p.Started()
		time.Sleep(time.Second)
		var last Event
		p.Reload().Follow(context.Background(), func(e Event) error { last = e; return nil })
		if last.Kind != EventFailed || last.Error != "PHP Parse error" || last.Replaced != 0 {
			t.Fatalf("last event %+v", last)
		}
		s, _ := submit(p, "GET", "/")
		if got := s.result(); got != "generation 1" || f.count() != 3 {
			t.Fatalf("got %q, %d workers started", got, f.count())
		}
	})
}

func TestSafeRequestIsTriedOnceMoreWhenItsWorkerDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, func(n int) script {
			return serve(1, func(w *fakeWorker, r *protocol.Request) {
				if r.Attempt == 2 {
					w.answer(r, "second")
					return
				}
				w.die("exit status 1")
			})
		})
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/")
		if got := s.result(); got != "second" {
			t.Fatalf("got %q", got)
		}
		time.Sleep(time.Minute)
		s, _ = submit(p, "POST", "/")
		if got := s.result(); got != "worker died" {
			t.Fatalf("an unsafe request was not failed: %q", got)
		}
		time.Sleep(time.Minute)
		if got := len(p.Status().Workers); got != 2 || f.count() != 4 {
			t.Fatalf("%d slots, %d started", got, f.count())
		}
	})
}

func TestPoolThatCannotStartTurnsRequestsAwayAtOnceAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		p, _ := newFakePool(t, Settings{Workers: 2}, func(int) script {
			if mended.Load() {
				return serve(1, generationWorker)
			}
			return func(w *fakeWorker) {
				w.conn.Accept()
				w.conn.Send(&protocol.Failed{Message: "no database"})
			}
		})
		defer p.Stop(context.Background())
		waiting, _ := submit(p, "GET", "/")
		<-p.Started()
		if got := waiting.result(); got != "no worker" {
			t.Fatalf("a request that waited: %q", got)
		}
		began := time.Now()
		s, _ := submit(p, "GET", "/")
		if got, took := s.result(), time.Since(began); got != "no worker" || took > 0 ||
			!strings.Contains(s.failure.Detail, "no database") {
			t.Fatalf("%q after %v: %v", got, took, s.failure)
		}
		mended.Store(true)
		time.Sleep(time.Minute)
		s, _ = submit(p, "GET", "/")
		if got := s.result(); got != "generation 1" {
			t.Fatalf("the code is mended, but: %q", got)
		}
	})
}
