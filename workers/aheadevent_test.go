package workers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// aheadHandler is a worker of messages with the feature ahead: handle is called for one after the other, with how many
// more have come. What was asked back before it is begun it gives back, unless it is deaf.
func aheadHandler(deaf bool, handle func(w *fakeWorker, m *protocol.Incoming, more int)) script {
	return func(w *fakeWorker) {
		if !w.bootWith("message", aheadFeature) {
			return
		}
		inbox := make(chan *protocol.Incoming, 100)
		var recalled sync.Map
		go func() {
			defer close(inbox)
			for {
				payload, err := w.conn.Read()
				if err != nil {
					return
				}
				switch t, _, _ := protocol.Head(payload); t {
				case protocol.TypeDrain:
					return
				case protocol.TypeMessage:
					m := new(protocol.Incoming)
					m.Parse(slices.Clone(payload))
					inbox <- m
				case protocol.TypeReset:
					var m protocol.Reset
					if m.Parse(payload); m.Code == protocol.ResetRecalled && !deaf {
						recalled.Store(m.Stream, true)
					}
				}
			}
		}()
		for m := range inbox {
			if _, back := recalled.Load(m.Stream); back {
				w.conn.Send(&protocol.Reset{Stream: m.Stream, Code: protocol.ResetRefused})
				w.conn.Send(&protocol.Done{Stream: m.Stream})
				continue
			}
			handle(w, m, len(inbox))
		}
	}
}

// echoTo answers a message to its connection, after a second if it is slow.
func echoTo(w *fakeWorker, m *protocol.Incoming) {
	if strings.HasPrefix(string(m.Bytes), "slow") {
		time.Sleep(time.Second)
	} else {
		time.Sleep(20 * time.Microsecond)
	}
	w.conn.Send(&protocol.Send{Stream: m.Stream, Flags: protocol.FlagDone, To: protocol.ToSelf,
		Bytes: fmt.Appendf(nil, "%s/%d", m.Bytes, max(m.Attempt, 1))})
}

func TestFastWorkerIsHandedItsNextMessagesAhead(t *testing.T) {
	for _, repeat := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var most atomic.Int64
			h := new(fakeHub)
			p, _ := newFakePool(t, Settings{Workers: 1, Hub: h},
				always(aheadHandler(true, func(w *fakeWorker, m *protocol.Incoming, more int) {
					most.Store(max(most.Load(), int64(more)))
					echoTo(w, m)
				})))
			defer p.Stop(context.Background())
			<-p.Started()
			var sinks []*testSink
			for i := range 50 {
				s, _ := h.submit(p, &protocol.Incoming{Flags: protocol.FlagEnd, Bytes: fmt.Append(nil, i)}, repeat)
				sinks = append(sinks, s)
			}
			for _, s := range sinks {
				<-s.finished
			}
			var want []string
			for i := range sinks {
				want = append(want, fmt.Sprintf("c1: SEND %d/1", i), "finished")
			}
			if got := h.all(); !slices.Equal(got, want) {
				t.Fatalf("got %q", got)
			}
			if n := most.Load(); repeat && (n < 1 || n > protocol.MaxAhead) || !repeat && n != 0 {
				t.Fatalf("repeatable: %v; at most %d messages were ahead", repeat, n)
			}
		})
	}
}

// TestMessageBehindASlowOneIsRecalledAndMarked has a worker handle the message all the same, later on, and the other
// one die with it once.
func TestMessageBehindASlowOneIsRecalledAndMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deaths atomic.Int64
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 2, Hub: h},
			always(aheadHandler(true, func(w *fakeWorker, m *protocol.Incoming, _ int) {
				switch text := string(m.Bytes); {
				case text == "busy":
					time.Sleep(5 * time.Millisecond)
				case text == "first":
					time.Sleep(200 * time.Microsecond)
				case text == "late" && m.Attempt == 2 && deaths.Add(1) == 1:
					w.die("signal: killed")
					return
				}
				echoTo(w, m)
			})))
		defer p.Stop(context.Background())
		ready()
		began := time.Now()
		var sinks []*testSink
		for _, text := range []string{"busy", "first", "slow", "late"} {
			s, _ := h.message(p, text)
			sinks = append(sinks, s)
		}
		if <-sinks[3].finished; time.Since(began) > 500*time.Millisecond {
			t.Errorf("the message waited for %v behind a slow one", time.Since(began))
		}
		for _, s := range sinks {
			if <-s.finished; s.failureKind() != 0 {
				t.Errorf("failed: %v", s.failed(t))
			}
		}
		time.Sleep(2 * time.Second) // the slow worker handles it, too
		want := []string{"c1: SEND first/1", "finished", "c1: SEND busy/1", "finished", "c1: SEND late/2", "finished",
			"c1: SEND slow/1", "finished"}
		if got := h.all(); !slices.Equal(got, want) || deaths.Load() != 2 {
			t.Errorf("%d deliveries with attempt 2: %q", deaths.Load(), got)
		}
	})
}

// TestMessageThatIsGivenBackIsHandledOnceAndUnmarked has one worker busy for longer than a message waits behind
// another one, and for less than it has to give it back.
func TestMessageThatIsGivenBackIsHandledOnceAndUnmarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 2, Hub: h},
			always(aheadHandler(false, func(w *fakeWorker, m *protocol.Incoming, _ int) {
				switch string(m.Bytes) {
				case "busy":
					time.Sleep(1500 * time.Microsecond)
				case "first":
					time.Sleep(200 * time.Microsecond)
				case "middling":
					time.Sleep(3 * time.Millisecond)
				}
				w.conn.Send(&protocol.Send{Stream: m.Stream, Flags: protocol.FlagDone, To: protocol.ToSelf,
					Bytes: fmt.Appendf(nil, "%s/%d", m.Bytes, max(m.Attempt, 1))})
			})))
		defer p.Stop(context.Background())
		ready()
		var sinks []*testSink
		for _, text := range []string{"busy", "first", "middling", "late"} {
			s, _ := h.message(p, text)
			sinks = append(sinks, s)
		}
		for _, s := range sinks {
			if <-s.finished; s.failureKind() != 0 {
				t.Errorf("failed: %v", s.failed(t))
			}
		}
		said := strings.Join(h.all(), "\n")
		if strings.Count(said, "late/1") != 1 || strings.Contains(said, "/2") || sinks[3].begun != 2 {
			t.Errorf("the message was given to %d workers: %s", sinks[3].begun, said)
		}
	})
}

func TestReloadUnderLoadHandlesEachMessageOnceAndUnmarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connections, each = 40, 300
		h := new(fakeHub)
		var handled, marked atomic.Int64
		p, _ := newFakePool(t, Settings{Workers: 3, Hub: h},
			always(aheadHandler(false, func(w *fakeWorker, m *protocol.Incoming, _ int) {
				handled.Add(1)
				marked.Add(int64(m.Attempt / 2))
				time.Sleep(30 * time.Microsecond)
				w.conn.Send(&protocol.Done{Stream: m.Stream})
			})))
		defer p.Stop(context.Background())
		<-p.Started()
		var all sync.WaitGroup
		for range connections {
			all.Go(func() {
				for range each {
					s, _ := h.message(p, "x")
					<-s.finished
				}
			})
		}
		for range 5 {
			if e := last(follow(p.Reload())); e.Kind != EventCompleted {
				t.Errorf("%+v", e)
			}
		}
		all.Wait()
		if handled.Load() != connections*each || marked.Load() != 0 {
			t.Errorf("%d of %d messages, %d of them marked", handled.Load(), connections*each, marked.Load())
		}
	})
}
