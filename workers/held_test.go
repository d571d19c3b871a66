package workers

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// TestAHeldResponseMayGoOnForAsLongAsItDoes sends the first bytes of a held response slowly, and then as slowly as its
// client takes them.
func TestAHeldResponseMayGoOnForAsLongAsItDoes(t *testing.T) {
	hold := func(w *fakeWorker, r *protocol.Request) {
		w.conn.Send(&protocol.Response{Stream: r.Stream, Status: 200, Hold: &protocol.Hold{Groups: []string{"g"}}})
	}
	for name, c := range map[string]struct {
		slow   bool // the client takes nothing for a minute
		handle func(w *fakeWorker, r *protocol.Request)
		want   string // what the log says of a missing DONE
	}{
		"a slow worker": {false, func(w *fakeWorker, r *protocol.Request) {
			hold(w, r)
			for range 10 {
				time.Sleep(3 * time.Second)
				w.conn.Send(&protocol.Data{Stream: r.Stream, Bytes: []byte("x")})
			}
			w.conn.Send(&protocol.Done{Stream: r.Stream})
		}, ""},
		"a slow client": {true, func(w *fakeWorker, r *protocol.Request) {
			hold(w, r)
			for range protocol.DefaultWindow / protocol.MaxData {
				w.conn.Send(&protocol.Data{Stream: r.Stream, Bytes: make([]byte, protocol.MaxData)})
			}
			w.next(protocol.TypeWindow)
			time.Sleep(3 * time.Second)
			w.conn.Send(&protocol.Done{Stream: r.Stream})
		}, ""},
		"a worker that forgets DONE": {false, func(w *fakeWorker, r *protocol.Request) {
			hold(w, r)
			time.Sleep(doneTimeout + 2*watchInterval)
			w.conn.Send(&protocol.Done{Stream: r.Stream})
		}, "stream 1 was held 5s ago and has no DONE"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, log := logged(Settings{Workers: 1, Hub: new(fakeHub), RequestTimeout: 10 * time.Second})
				p, _ := newFakePool(t, set, always(serve(1, c.handle)))
				defer p.Stop(context.Background())
				ready()
				s := newSink()
				s.hold = c.slow
				p.Submit(&protocol.Exchange{Request: get("/"), Sink: s})
				if c.slow {
					time.Sleep(time.Minute)
					s.stream.Consumed(protocol.DefaultWindow)
				}
				<-s.finished
				if s.failure != nil {
					t.Error(s.failure)
				}
				found := log.entries("has no DONE")
				if len(found) > 0 != (c.want != "") || !strings.Contains(log.String(), c.want) {
					t.Errorf("the log says %q", found)
				}
			})
		})
	}
}
