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

func TestASecondHungWorkerThatHasToWaitForTheFirstOnesEndIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, RequestTimeout: 5 * time.Second, DrainTimeout: 30 * time.Second})
		p, f := newFakePool(t, set, func(int) script { return serve(8, func(*fakeWorker, *protocol.Request) {}) })
		defer p.Stop(context.Background())
		ready()
		for range 2 { // one after the other: the second one hangs in the worker that took the first one's place
			hung, _ := submit(p, "POST", "/hung")
			time.Sleep(set.RequestTimeout + 3*heedTimeout)
			if hung.failureKind() != protocol.FailedTimeout {
				t.Fatal(hung.failure)
			}
		}
		wants(t, log, "worker is replaced once the end of another one is seen to", "drain_timeout=30s")
		if time.Sleep(2 * time.Minute); f.count() != 3 || f.alive() != 1 {
			t.Errorf("%d starts, %d alive", f.count(), f.alive())
		}
	})
}
