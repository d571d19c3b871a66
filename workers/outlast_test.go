package workers

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// TestARecycledWorkerWhoseLongRequestHangsIsEnded: it outlasts drain_timeout, but not a RESET that it does not heed.
func TestARecycledWorkerWhoseLongRequestHangsIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, Hub: new(fakeHub), MaxRequests: 1,
			RequestTimeout: 10 * time.Second, DrainTimeout: time.Second},
			always(handlers(2, func(w *fakeWorker, m *protocol.Incoming) {
				if string(m.Bytes) == "hang" {
					w.hang()
					return
				}
				echo(w, m)
			})))
		defer p.Stop(context.Background())
		ready()
		h := new(fakeHub)
		hung, _ := h.message(p, "hang")
		quick, _ := h.message(p, "quick")
		quick.result()
		hung.failed(t)
		if ready(); f.alive() != 1 {
			t.Errorf("%d processes are left", f.alive())
		}
	})
}
