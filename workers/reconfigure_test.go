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

// reconfigured are the settings of p with a change.
func reconfigured(t *testing.T, p *Pool, change func(*Settings)) {
	t.Helper()
	s := *p.settings
	change(&s)
	if err := p.Reconfigure(s); err != nil {
		t.Fatal(err)
	}
}

// idleSlots counts the slots, which must all be idle.
func idleSlots(t *testing.T, p *Pool) (n int) {
	t.Helper()
	synctest.Wait() // the last exits are noted
	for i, w := range p.Status().Workers {
		if w.Slot != i || w.State != Idle {
			t.Fatalf("%+v", p.Status().Workers)
		}
		n++
	}
	return n
}

func TestReloadGrowsAndShrinksThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(5 * time.Second)
			generationWorker(w, r)
		})))
		defer p.Stop(context.Background())
		ready()
		reconfigured(t, p, func(s *Settings) { s.Workers = 4 })
		if idleSlots(t, p) != 2 {
			t.Fatal("the settings took effect before the reload")
		}
		if e := last(follow(p.Reload())); e.Kind != EventCompleted || e.Replaced != 4 || idleSlots(t, p) != 4 {
			t.Fatalf("%+v", e)
		}
		f.process(6).die("exit status 3") // a slot that came with the reload is as good as the others
		ready()
		if idleSlots(t, p) != 4 {
			t.Fatal("the worker was not replaced")
		}
		var sinks []*testSink
		for range 4 {
			s, _ := submit(p, "POST", "/")
			sinks = append(sinks, s)
		}
		synctest.Wait()
		reconfigured(t, p, func(s *Settings) { s.Workers = 1 })
		events := follow(p.Reload())
		if want := []EventKind{EventBegun, EventReplaced, EventRemoved, EventRemoved, EventRemoved,
			EventCompleted}; !reflect.DeepEqual(kinds(events), want) {
			t.Fatalf("%v", kinds(events))
		}
		for _, s := range sinks {
			if got := s.result(); got != "generation 2" {
				t.Fatal(got)
			}
		}
		if idleSlots(t, p) != 1 || f.alive() != 1 {
			t.Fatalf("%d alive: %+v", f.alive(), events)
		}
	})
}

func TestQueueLimitsChangeWhenTheReloadBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, Queue: -1}, always(func(w *fakeWorker) {
			time.Sleep(time.Second)
			serve(1, func(w *fakeWorker, r *protocol.Request) { time.Sleep(20 * time.Second); w.answer(r, "") })(w)
		}))
		defer p.Stop(context.Background())
		time.Sleep(2 * time.Second)
		submit(p, "GET", "/")
		if s, _ := submit(p, "GET", "/"); s.failed(t).Kind != protocol.FailedQueueFull {
			t.Fatal("a queue that is not there took a request")
		}
		reconfigured(t, p, func(s *Settings) { s.Queue, s.QueueTimeout = 1, 100*time.Millisecond })
		r := p.Reload()
		synctest.Wait()
		if s, _ := submit(p, "GET", "/"); s.failed(t).Kind != protocol.FailedQueueTimeout ||
			!strings.Contains(s.failure.Detail, "100ms") {
			t.Fatal(s.failure)
		}
		follow(r)
	})
}

func TestFailedReloadKeepsTheSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "current")
		deploy(t, link, "1")
		failing := 3
		p, f := newFakePool(t, Settings{Workers: 2, Directory: link}, func(n int) script {
			if n == failing {
				return broken
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		change := func(s *Settings) { s.Workers, s.Queue = 4, 7 }
		check := func(why string) {
			t.Helper()
			if limit, _ := p.dispatch.bounds(); limit != 1024 || idleSlots(t, p) != 2 || f.alive() != 2 {
				t.Fatalf("%s: queue %d, %+v", why, limit, p.Status().Workers)
			}
		}
		reconfigured(t, p, change)
		if e := last(follow(p.Reload())); e.Kind != EventFailed || e.Replaced != 0 || e.Workers != 2 {
			t.Fatalf("%+v", e)
		}
		check("the first worker failed")
		deploy(t, link, "2")
		failing = 7
		reconfigured(t, p, change)
		if e := last(follow(p.Reload())); e.Kind != EventFailed || e.Replaced != 0 || e.Workers != 2 {
			t.Fatalf("%+v", e)
		}
		check("a new slot's worker failed, and all was put back")
		follow(p.Reload())
		check("the settings that failed are forgotten")
		bad := *p.settings
		bad.Name = "other"
		if err := p.Reconfigure(bad); err == nil {
			t.Fatal("the pool was renamed")
		}
	})
}

func TestAPoolThatTakesTheCounterOfAnotherGoesOnWithItsNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := new(atomic.Uint64)
		for _, first := range []uint64{1, 3} {
			p, _ := newFakePool(t, Settings{Workers: 1, Generations: counter}, always(serve(1, generationWorker)))
			ready()
			if now := p.Status().Workers[0].Generation; now != first {
				t.Errorf("it begins with generation %d instead of %d", now, first)
			}
			if e := last(follow(p.Reload())); e.Kind != EventCompleted || e.Generation != first+1 {
				t.Errorf("%+v", e)
			}
			p.Stop(context.Background())
		}
	})
}
