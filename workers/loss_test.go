package workers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/workerhost/workerhost/protocol"
)

// TestWhatIsLostIsLoggedHoweverMuchItsWorkerSays has a worker use up its log_rate before it lets a request down.
func TestWhatIsLostIsLoggedHoweverMuchItsWorkerSays(t *testing.T) {
	for want, last := range map[string]func(w *fakeWorker, stream uint32){
		"its worker did not answer it": func(w *fakeWorker, stream uint32) {
			w.conn.Send(&protocol.Done{Stream: stream})
		},
		"acts could not be carried out": func(w *fakeWorker, stream uint32) {
			w.say(stream, 0, "a")
			w.answer(&protocol.Request{Stream: stream}, "ok")
		},
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, log := logged(Settings{Workers: 1, LogRate: 1000, Hub: &fakeHub{err: errors.New("no")}})
				p, _ := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
					for range 5000 {
						w.conn.Send(&protocol.Log{Stream: r.Stream, Level: "info", Message: "flood"})
					}
					last(w, r.Stream)
				})))
				defer p.Stop(context.Background())
				ready()
				s := newSink()
				p.Submit(&protocol.Exchange{Request: asked("/lost"), Sink: s})
				<-s.finished
				if found := log.entries(want); len(found) != 1 || !strings.Contains(found[0], "id-lost") {
					t.Errorf("it is logged as %q", found)
				}
			})
		})
	}
}
