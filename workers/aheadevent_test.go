package workers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// aheadHandler is a worker of messages with the feature ahead: handle is called for one after the other, with how many more have come. It begins each without
// a look at what was recalled since, as a worker may that has not read so far.
func aheadHandler(handle func(w *fakeWorker, m *protocol.Incoming, more int)) script {
	return func(w *fakeWorker) {
		if !w.bootWith("message", aheadFeature) {
			return
		}
		inbox := make(chan *protocol.Incoming, 100)
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
				}
			}
		}()
		for m := range inbox {
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
	w.conn.Send(&protocol.Send{Stream: m.Stream, Flags: protocol.FlagDone, To: protocol.ToSelf, Bytes: fmt.Appendf(nil, "%s/%d", m.Bytes, max(m.Attempt, 1))})
}

func TestFastWorkerIsHandedItsNextMessagesAhead(t *testing.T) {
	for _, repeat := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var most atomic.Int64
			h := new(fakeHub)
			p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(aheadHandler(func(w *fakeWorker, m *protocol.Incoming, more int) {
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

// TestMessageBehindASlowOneIsRecalledAndMarked has a worker handle the message all the same, later on, and the other one die with it once.
func TestMessageBehindASlowOneIsRecalledAndMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deaths atomic.Int64
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 2, Hub: h}, always(aheadHandler(func(w *fakeWorker, m *protocol.Incoming, _ int) {
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
		want := []string{"c1: SEND first/1", "finished", "c1: SEND busy/1", "finished", "c1: SEND late/2", "finished", "c1: SEND slow/1", "finished"}
		if got := h.all(); !slices.Equal(got, want) || deaths.Load() != 2 {
			t.Errorf("%d deliveries with attempt 2: %q", deaths.Load(), got)
		}
	})
}
