package workers

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/workerhost/workerhost/protocol"
)

// TestSendNeverWaitsForAWorkerThatDoesNotRead gives all that the window takes to a worker that reads nothing.
func TestSendNeverWaitsForAWorkerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(func(w *fakeWorker) { w.boot(1); w.hang() }))
		defer p.Stop(context.Background())
		ready()
		s := newSink()
		r := get("/")
		r.Method, r.Flags, r.Length = "POST", 0, -1
		p.Submit(&protocol.Exchange{Request: r, Sink: s})
		n, ok := s.stream.Send(make([]byte, 1<<20), true, nil)
		if n != protocol.DefaultWindow || !ok {
			t.Fatal(n, ok)
		}
		if n, ok := s.stream.Send([]byte("more"), true, nil); n != 0 || !ok {
			t.Fatal(n, ok)
		}
		f.process(1).Kill()
		synctest.Wait()
		if _, ok := s.stream.Send([]byte("more"), true, nil); ok {
			t.Fatal("a stream of a dead worker takes more")
		}
	})
}

// TestWideWindowDoesNotGrowTheHost has a worker grant a gigabyte and read nothing for a while.
func TestWideWindowDoesNotGrowTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 64 << 20
		got := 0
		p, _ := newFakePool(t, Settings{Workers: 1}, always(func(w *fakeWorker) {
			w.conn.Accept()
			w.conn.Send(&protocol.Ready{Version: 1, Concurrency: 1, Window: 1 << 30})
			payload, _ := w.next(protocol.TypeRequest)
			var r protocol.Request
			r.Parse(payload)
			ready()
			for end := false; !end; {
				payload, ok := w.next(protocol.TypeData)
				if !ok {
					return
				}
				var m protocol.Data
				m.Parse(payload)
				got += len(m.Bytes)
				end = m.Flags&protocol.FlagEnd != 0
			}
			w.answer(&r, "")
		}))
		defer p.Stop(context.Background())
		ready()
		body, sent, most := make([]byte, size), 0, 0
		s := newSink()
		s.onWrite = func(st protocol.Stream) {
			n, _ := st.Send(body[sent:], true, nil)
			sent += n
			accepted, written := st.(*attempt).worker.conn.Sent()
			most = max(most, int(accepted-written))
		}
		r := get("/")
		r.Method, r.Flags, r.Length = "POST", 0, size
		s.onBegin = s.onWrite
		p.Submit(&protocol.Exchange{Request: r, Sink: s})
		if s.result(); s.failure != nil || got != size {
			t.Fatal(s.failure, got)
		}
		if limit := maxBacklog + protocol.MaxData + 64; most > limit {
			t.Fatalf("%d bytes waited", most)
		}
	})
}
