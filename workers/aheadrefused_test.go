package workers

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// A worker that ends refuses what it has ahead before it is done with what is at hand, as the PHP SDK does after
// exit(). From then on that is another worker's alone: it stays there, and the first one's death has nothing to do
// with it.
func TestWhatAWorkerRefusesOfWhatItHasAheadIsAnotherOnesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled atomic.Int64
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 3, Hub: h}, always(func(w *fakeWorker) {
			if !w.bootWith("message", aheadFeature) {
				return
			}
			read := func() (m protocol.Incoming, ok bool) {
				payload, ok := w.next(protocol.TypeMessage)
				return m, ok && m.Parse(slices.Clone(payload)) == nil
			}
			for {
				m, ok := read()
				if !ok {
					return
				}
				switch string(m.Bytes) {
				case "busy":
					time.Sleep(time.Millisecond)
				case "first":
					time.Sleep(200 * time.Microsecond)
				case "exit":
					if m.Attempt < 2 {
						ahead, _ := read()
						w.conn.Send(&protocol.Reset{Stream: ahead.Stream, Code: protocol.ResetRefused})
						w.conn.Send(&protocol.Done{Stream: ahead.Stream})
						time.Sleep(50 * time.Millisecond)
						w.die("exit status 1")
						return
					}
				case "ahead":
					handled.Add(1)
					if m.Attempt > 1 {
						t.Errorf("it has attempt %d", m.Attempt)
					}
					time.Sleep(20 * time.Millisecond)
				}
				w.conn.Send(&protocol.Done{Stream: m.Stream})
			}
		}))
		defer p.Stop(context.Background())
		ready()
		var sinks []*testSink
		for _, text := range []string{"busy", "busy", "first", "exit", "ahead"} {
			s, _ := h.message(p, text)
			sinks = append(sinks, s)
		}
		time.Sleep(10 * time.Millisecond)
		d := &p.dispatch
		all := p.workers()
		d.mu.Lock()
		d.trim()
		if n := len(d.ahead.waiting); n > 0 {
			t.Errorf("%d are said to wait behind others", n)
		}
		for _, w := range all {
			if len(w.duty.next) > 0 {
				t.Errorf("%v is said to have %d ahead", w, len(w.duty.next))
			}
		}
		d.mu.Unlock()
		for _, s := range sinks {
			if <-s.finished; s.failureKind() != 0 {
				t.Errorf("failed: %v", s.failed(t))
			}
		}
		if n := handled.Load(); n != 1 {
			t.Errorf("it was handled %d times", n)
		}
	})
}
