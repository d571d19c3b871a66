package workers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestEventsWaitForAPoolInWhichNoWorkerCanStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 2, Hub: h, Queue: 1, QueueTimeout: time.Second}, func(n int) script {
			if n <= 12 {
				return func(w *fakeWorker) {}
			}
			return handler(echo)
		})
		defer p.Stop(context.Background())
		time.Sleep(2 * time.Second)
		if s, _ := submit(p, "GET", "/"); s.result() != "no worker" {
			t.Errorf("a request came to %q", s.result())
		}
		var want []string
		var last *testSink
		for i := range 5 {
			text := fmt.Sprint(i)
			last, _ = h.message(p, text)
			want = append(want, "c1: SEND "+text, "finished")
		}
		if st := p.Status(); st.Waiting != 5 || st.Queued != 0 {
			t.Errorf("%d events and %d requests wait", st.Waiting, st.Queued)
		}
		last.result()
		if p.Status().Waiting != 0 {
			t.Error("some wait still")
		}
		for i, line := range h.all() { // two workers: each event is whole, its order is its connection's matter
			if (i%2 == 1) != (line == "finished") {
				t.Fatalf("noted %q", h.all())
			}
		}
		if len(h.all()) != len(want) {
			t.Errorf("noted %q", h.all())
		}
	})
}

// TestEventsAndRequestsAreServedInOrderOfArrival has one worker and a full house.
func TestEventsAndRequestsAreServedInOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h, Priority: []string{"/urgent"}},
			always(func(w *fakeWorker) {
				if !w.bootWith("message") {
					return
				}
				for payload, err := w.conn.Read(); err == nil; payload, err = w.conn.Read() {
					var r protocol.Request
					var m protocol.Incoming
					switch t, _, _ := protocol.Head(payload); t {
					case protocol.TypeRequest:
						r.Parse(payload)
						j.note(r.Target)
						time.Sleep(time.Millisecond)
						w.answer(&r, "")
					case protocol.TypeMessage:
						m.Parse(payload)
						j.note(string(m.Bytes))
						time.Sleep(time.Millisecond)
						w.conn.Send(&protocol.Done{Stream: m.Stream})
					case protocol.TypeDrain:
						return
					}
				}
			}))
		defer p.Stop(context.Background())
		ready()
		submit(p, "POST", "/0")
		submit(p, "POST", "/1")
		_, gone := h.message(p, "gone")
		h.message(p, "2")
		submit(p, "POST", "/3")
		h.message(p, "4")
		last, _ := h.message(p, "5")
		urgent := newSink()
		p.Submit(&protocol.Exchange{Request: get("/urgent"), Priority: true, Sink: urgent})
		gone.Cancel(protocol.ResetCancelled)
		last.result()
		j.expect(t, "/0", "/urgent", "/1", "2", "/3", "4", "5")
	})
}

// TestTasksWaitBehindAllElse has one worker, and a task that comes first.
func TestTasksWaitBehindAllElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(func(w *fakeWorker) {
			if !w.bootWith("message") {
				return
			}
			for payload, err := w.conn.Read(); err == nil; payload, err = w.conn.Read() {
				var r protocol.Request
				switch t, stream, _ := protocol.Head(payload); t {
				case protocol.TypeRequest:
					r.Parse(payload)
					j.note(r.Target)
					time.Sleep(time.Millisecond)
					w.answer(&r, "")
				case protocol.TypeMessage, protocol.TypeTask:
					j.note(t.String())
					time.Sleep(time.Millisecond)
					w.conn.Send(&protocol.Done{Stream: stream})
				case protocol.TypeDrain:
					return
				}
			}
		}))
		defer p.Stop(context.Background())
		ready()
		task := func() (*testSink, protocol.Ticket) {
			s := newSink()
			return s, p.Submit(&protocol.Exchange{Request: &protocol.Task{Queue: "q", ID: "1"}, Behind: true, Sink: s})
		}
		submit(p, "POST", "/0")
		last, _ := task()
		_, recalled := task()
		submit(p, "POST", "/1")
		h.message(p, "2")
		recalled.Cancel(protocol.ResetCancelled)
		last.result()
		j.expect(t, "/0", "/1", "MESSAGE", "TASK")
	})
}

// TestRequestsHandedAheadDoNotStarveEvents keeps a worker that takes requests ahead under requests that never end.
func TestRequestsHandedAheadDoNotStarveEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(func(w *fakeWorker) {
			if w.conn.Accept(); w.conn.Send(
				&protocol.Ready{Version: 1, PID: w.id, Features: []string{"message", aheadFeature}}) != nil {
				return
			}
			for payload, err := w.conn.Read(); err == nil; payload, err = w.conn.Read() {
				switch t, stream, _ := protocol.Head(payload); t {
				case protocol.TypeRequest:
					time.Sleep(10 * time.Microsecond)
					w.answer(&protocol.Request{Stream: stream}, "")
				case protocol.TypeMessage:
					w.conn.Send(&protocol.Done{Stream: stream})
				case protocol.TypeDrain:
					return
				}
			}
		}))
		ready()
		stop := make(chan struct{})
		for range 16 {
			go func() {
				for {
					s, _ := submit(p, "GET", "/")
					select {
					case <-stop:
						return
					case <-s.finished:
					}
				}
			}()
		}
		time.Sleep(10 * time.Millisecond)
		began := time.Now()
		s, _ := h.message(p, "m")
		s.result()
		if took := time.Since(began); took > time.Millisecond {
			t.Errorf("the event waited for %v", took)
		}
		close(stop)
		p.Stop(context.Background())
	})
}

func TestStoppingLetsWaitingEventsFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h, DrainTimeout: 3500 * time.Millisecond},
			always(handler(func(w *fakeWorker, m *protocol.Incoming) {
				time.Sleep(time.Second)
				echo(w, m)
			})))
		ready()
		for i := range 9 {
			h.message(p, fmt.Sprint(i))
		}
		p.Stop(context.Background())
		all := h.all()
		done, stopped := 0, 0
		for _, line := range all {
			switch line {
			case "finished":
				done++
			case "stopping":
				stopped++
			}
		}
		if done != 4 || stopped != 5 {
			t.Errorf("%d done and %d failed: %q", done, stopped, all)
		}
		if s, _ := h.message(p, "late"); s.failed(t).Kind != protocol.FailedStopping {
			t.Error("a stopped pool took an event")
		}
	})
}

// TestAnEventCutAtTheDrainDeadlineGoesToTheNewWorker: a reload closes no connection for a handler that is slow once.
func TestAnEventCutAtTheDrainDeadlineGoesToTheNewWorker(t *testing.T) {
	for name, heeds := range map[string]bool{"heeded": true, "not heeded": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(fakeHub)
				set, log := logged(Settings{Workers: 1, Hub: h, DrainTimeout: time.Second, StopTimeout: time.Second})
				p, _ := newFakePool(t, set, always(handler(func(w *fakeWorker, m *protocol.Incoming) {
					h.note(fmt.Sprint("generation ", w.hello.Generation, " attempt ", m.Attempt))
					switch {
					case w.hello.Generation > 1:
						echo(w, m)
					case heeds:
						w.say(m.Stream, 0, "half")
						w.next(protocol.TypeReset)
						w.conn.Send(&protocol.Done{Stream: m.Stream})
					default:
						w.hang()
					}
				})))
				defer p.Stop(context.Background())
				ready()
				s, _ := h.message(p, "m")
				events := follow(p.Reload())
				s.result()
				h.expect(t, "generation 1 attempt 1", "generation 2 attempt 2", "c1: SEND m", "finished")
				for _, e := range events {
					if len(e.Cut) > 0 || e.Drained > 0 {
						t.Errorf("%v were reported as cut, and %d as drained", e.Cut, e.Drained)
					}
				}
				wants(t, log, "an event is taken from its worker")
				if strings.Contains(log.String(), "code still runs for what has been answered") {
					t.Error("the log takes the event for a request that was answered")
				}
			})
		})
	}
}

func TestTheNewestWorkersOffersCountForThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 3, Delivery: AtMostOnce}, func(n int) script {
			return func(w *fakeWorker) {
				features := []string{"message"}
				if n > 3 {
					features = append(features, "open", "buffer")
				}
				if n == 5 {
					time.Sleep(10 * time.Second)
				}
				if w.bootWith(features...) {
					w.loop(nil)
				}
			}
		})
		defer p.Stop(context.Background())
		if before := p.Traits(); before.Events.Any() || !before.AtMostOnce {
			t.Errorf("before any worker: %+v", before)
		}
		ready()
		if got := p.Traits().Events; got != (protocol.Events{Message: true}) {
			t.Errorf("the first generation: %+v", got)
		}
		roll := p.Reload()
		ready()                 // the first slot has its new worker, the second one's is booting
		f.process(3).die("oom") // its successor is of the old generation, whose offers are fewer
		time.Sleep(5 * time.Second)
		if got := p.Traits().Events; !got.Open || !got.Buffer {
			t.Errorf("half-way: %+v", got)
		}
		follow(roll)
		if got := p.Traits().Events; got != (protocol.Events{Open: true, Message: true, Buffer: true}) {
			t.Errorf("the second generation: %+v", got)
		}
	})
}

func TestAnUnknownDeliveryIsRefused(t *testing.T) {
	if _, err := New(Settings{Command: []string{"x"}, Delivery: "exactly-once"}); err == nil {
		t.Error("it was taken")
	}
}
