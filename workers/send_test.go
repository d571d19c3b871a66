package workers

import (
	"context"
	"slices"
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
		n, more := s.stream.Send(make([]byte, 1<<20), true, nil)
		if n != protocol.DefaultWindow || !more {
			t.Fatal(n, more)
		}
		if n, more := s.stream.Send([]byte("more"), true, nil); n != 0 || !more {
			t.Fatal(n, more)
		}
		f.process(1).Kill()
		synctest.Wait()
		if _, more := s.stream.Send([]byte("more"), true, nil); more {
			t.Fatal("a stream of a dead worker takes more")
		}
	})
}

// TestAnEmptyEndThatComesTooEarlyIsAskedForAgain ends a body before its stream is open: nothing of it was left to send
// but its end, and its worker would wait for that for ever.
func TestAnEmptyEndThatComesTooEarlyIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var trailers []string
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			payload, _ := w.next(protocol.TypeData)
			var m protocol.Data
			m.Parse(payload)
			trailers = append(trailers, m.Trailers...)
			w.answer(r, "")
		})))
		defer p.Stop(context.Background())
		ready()
		s := newSink()
		var tries []bool
		s.onBegin = func(st protocol.Stream) {
			_, more := st.Send(nil, true, []string{"Sum", "1"})
			tries = append(tries, more)
		}
		s.onWrite = s.onBegin
		r := get("/")
		r.Method, r.Flags, r.Length = "POST", 0, 0
		p.Submit(&protocol.Exchange{Request: r, Sink: s})
		if s.result(); s.failure != nil || !slices.Equal(tries, []bool{true, false}) ||
			!slices.Equal(trailers, []string{"Sum", "1"}) {
			t.Fatal(s.failure, tries, trailers)
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
