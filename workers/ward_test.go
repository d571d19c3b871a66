package workers

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// poisoned serves many at once: /poison ends the process after a moment, and all else takes a second.
func poisoned(w *fakeWorker) {
	var begun atomic.Int32
	serve(8, func(w *fakeWorker, r *protocol.Request) {
		alone := begun.Add(1) == 1
		if r.Target == "/poison" {
			time.Sleep(100 * time.Millisecond)
			w.die("exit status 2")
			return
		}
		time.Sleep(time.Second)
		text := string(rune('0' + r.Attempt))
		if alone {
			text += " alone"
		}
		w.answer(r, text)
	})(w)
}

// TestARequestThatKillsItsWorkerOfManyTakesNoOtherTwice: promises 3 and 4.
func TestARequestThatKillsItsWorkerOfManyTakesNoOtherTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, QueueTimeout: time.Minute}, always(poisoned))
		defer p.Stop(context.Background())
		ready()
		ask := func(target string, repeatable bool) *testSink {
			s := newSink()
			p.Submit(&protocol.Exchange{Request: get(target), Repeatable: repeatable, Sink: s})
			return s
		}
		poison, safe, also, unsafe := ask("/poison", true), ask("/a", true), ask("/b", true), ask("/c", false)
		if unsafe.failed(t).Kind != protocol.FailedDied {
			t.Error(unsafe.failure)
		}
		ready() // a new worker is in the slot
		fresh := ask("/d", true)
		if got := fresh.result(); got != "1 alone" {
			t.Errorf("who came afterwards got %q, %v", got, fresh.failure)
		}
		for _, s := range []*testSink{safe, also} {
			if got := s.result(); got[0] != '2' {
				t.Errorf("%q: %v", got, s.failure)
			}
		}
		if poison.failed(t).Kind != protocol.FailedDied || poison.begun != 2 {
			t.Errorf("%v, begun %d times", poison.failure, poison.begun)
		}
		time.Sleep(time.Second)
		// the slot's two, the one that was poisoned a second time, and perhaps one more for the others
		if n := f.count(); n > 4 || f.alive() != 1 {
			t.Errorf("%d starts, of which %d live", n, f.alive())
		}
	})
}

// TestAnEventThatKillsItsWorkerOfManyTakesNoOtherTwice: an event that was begun is delivered once more, by itself.
func TestAnEventThatKillsItsWorkerOfManyTakesNoOtherTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHub{}
		p, f := newFakePool(t, Settings{Workers: 1, Hub: h},
			always(handlers(8, func(w *fakeWorker, m *protocol.Incoming) {
				if string(m.Bytes) == "poison" {
					time.Sleep(100 * time.Millisecond)
					w.die("exit status 2")
					return
				}
				time.Sleep(time.Second)
				w.conn.Send(&protocol.Done{Stream: m.Stream})
			})))
		defer p.Stop(context.Background())
		ready()
		var calm []*testSink
		poison, _ := h.message(p, "poison")
		for range 3 {
			s, _ := h.message(p, "calm")
			calm = append(calm, s)
		}
		ready()
		late, _ := h.message(p, "late") // to the slot's new worker, which nothing is tried in
		for _, s := range append(calm, late) {
			if s.result(); s.failure != nil {
				t.Error(s.failure)
			}
		}
		if poison.failed(t).Kind != protocol.FailedDied || poison.begun != 2 || late.begun != 1 {
			t.Error(poison.failure, poison.begun, late.begun)
		}
		time.Sleep(time.Second)
		if n := f.count(); n > 4 || f.alive() != 1 {
			t.Errorf("%d starts, of which %d live", n, f.alive())
		}
	})
}

// TestEventsThatWaitedForTheExtraWorkerGoToAnyOther has the extra worker take its time: events wait as long as it
// takes, but not for that.
func TestEventsThatWaitedForTheExtraWorkerGoToAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHub{}
		p, f := newFakePool(t, Settings{Workers: 1, Hub: h, QueueTimeout: 3 * time.Second},
			always(handlers(8, func(w *fakeWorker, m *protocol.Incoming) {
				time.Sleep(time.Second)
				w.conn.Send(&protocol.Done{Stream: m.Stream})
			})))
		defer p.Stop(context.Background())
		ready()
		var all []*testSink
		for range 8 {
			s, _ := h.message(p, "calm")
			all = append(all, s)
		}
		synctest.Wait()
		began := time.Now()
		f.process(1).die("exit status 2")
		for _, s := range all {
			if s.result(); s.failure != nil {
				t.Error(s.failure)
			}
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("all was over after %v", took)
		}
	})
}

func TestWhoseTimeIsUpIsNotTriedOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, QueueTimeout: 1500 * time.Millisecond}, always(poisoned))
		defer p.Stop(context.Background())
		ready()
		var sinks []*testSink
		for _, target := range []string{"/a", "/b", "/c", "/d"} {
			s := newSink()
			p.Submit(&protocol.Exchange{Request: get(target), Repeatable: true, Sink: s})
			sinks = append(sinks, s)
		}
		synctest.Wait()
		began := time.Now()
		f.process(1).die("exit status 2")
		served := 0
		for _, s := range sinks {
			if got := s.result(); s.failure == nil && got[0] == '2' {
				served++
			} else if s.failure == nil && got[0] == '1' {
				continue // what the first had not read yet is another one's as if nothing had been
			} else if s.failure == nil || s.failure.Kind != protocol.FailedDied {
				t.Error(got, s.failure)
			}
		}
		if took := time.Since(began); served != 2 || took > 3*time.Second {
			t.Errorf("%d were served, and all was over after %v", served, took)
		}
	})
}

// TestWarmUpsOfTheExtraWorkerAreNoRequestsOfTheWard has it answer one before it is given anything.
func TestWarmUpsOfTheExtraWorkerAreNoRequestsOfTheWard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, Warmup: []Warmup{{Request: get("/warm")}}}, always(poisoned))
		defer p.Stop(context.Background())
		time.Sleep(3 * time.Second)
		var all []*testSink
		for range 3 {
			s := newSink()
			p.Submit(&protocol.Exchange{Request: get("/a"), Repeatable: true, Sink: s})
			all = append(all, s)
		}
		synctest.Wait()
		f.process(1).die("exit status 2")
		for _, s := range all {
			if s.result(); s.failure != nil {
				t.Error(s.failure)
			}
		}
		if n := f.count(); n > 3 { // the slot's two, and the extra one
			t.Errorf("%d starts", n)
		}
	})
}

// TestNobodyInTheWardWaitsLongerThanItsTimeForAWorkerToStart and whoever waits as the pool stops is told so.
func TestNobodyInTheWardWaitsLongerThanItsTimeForAWorkerToStart(t *testing.T) {
	for _, stops := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var starts atomic.Int32
			p, f := newFakePool(t, Settings{Workers: 1, QueueTimeout: 2 * time.Second, StartTimeout: time.Minute,
				DrainTimeout: 500 * time.Millisecond},
				always(func(w *fakeWorker) {
					if starts.Add(1) > 1 {
						w.hang()
						return
					}
					poisoned(w)
				}))
			ready()
			a, b := newSink(), newSink()
			p.Submit(&protocol.Exchange{Request: get("/a"), Repeatable: true, Sink: a})
			p.Submit(&protocol.Exchange{Request: get("/b"), Repeatable: true, Sink: b})
			synctest.Wait()
			began := time.Now()
			f.process(1).die("exit status 2")
			want := protocol.FailedDied
			if stops {
				ready()
				p.Stop(context.Background())
				want = protocol.FailedStopping
			} else {
				defer p.Stop(context.Background())
			}
			for _, s := range []*testSink{a, b} {
				if f := s.failed(t); f.Kind != want || time.Since(began) > 3*time.Second {
					t.Error(stops, f, time.Since(began))
				}
			}
		})
	}
}

func TestAClientThatLeavesTheWardIsNotTriedOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(poisoned))
		ready()
		first, second := newSink(), newSink()
		p.Submit(&protocol.Exchange{Request: get("/a"), Repeatable: true, Sink: first})
		ticket := p.Submit(&protocol.Exchange{Request: get("/b"), Repeatable: true, Sink: second})
		synctest.Wait()
		f.process(1).die("exit status 2")
		ready()
		ticket.Cancel(protocol.ResetCancelled)
		ready()
		p.Stop(context.Background()) // waits for what is at hand
		if second.failed(t).Kind != protocol.FailedCancelled || first.result()[0] != '2' {
			t.Error(first.failure, second.failure)
		}
	})
}

func TestAnExtraWorkerIsNotRecycled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, MaxRequests: 1}, always(poisoned))
		ready()
		s := newSink()
		p.Submit(&protocol.Exchange{Request: get("/a"), Repeatable: true, Sink: s})
		synctest.Wait()
		f.process(1).die("exit status 2")
		if got := s.result(); got[0] != '2' {
			t.Error(got, s.failure)
		}
		ready()
		p.Stop(context.Background()) // returns, though the extra worker has reached max_requests
	})
}
