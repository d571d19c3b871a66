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

// blocking answers at once, but /block/…, which keeps the worker from everything for three seconds, and says where it
// is if it is asked, and /wait, which nobody answers until the end.
func blocking(w *fakeWorker, r *protocol.Request) {
	switch {
	case strings.HasPrefix(r.Target, "/block/"):
		over := time.After(3 * time.Second)
		select {
		case <-w.usr2:
			text, _ := protocol.NewValue(map[string]any{"backtrace": "#0 worker.php in " + r.Target,
				"requests": fmt.Sprintf("stream %d runs", r.Stream)})
			w.conn.Send(&protocol.Log{Level: "warn", Message: "backtrace", Context: text})
			<-over
		case <-over:
		}
		w.answer(r, "blocked")
	case r.Target == "/wait":
		go func(stream uint32) {
			select {
			case <-time.After(4 * time.Second):
				w.answer(&protocol.Request{Stream: stream}, "waited")
			case <-w.died:
			}
		}(r.Stream)
	default:
		w.answer(r, "quick")
	}
}

func withBacktraces(s script) script {
	return func(w *fakeWorker) {
		w.features = []string{backtraceFeature}
		s(w)
	}
}

func TestBlockedWorkerGetsNothingUntilItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 2})
		p, _ := newFakePool(t, set, always(serve(8, blocking)))
		defer p.Stop(context.Background())
		ready()
		waits := make([]*testSink, 2)
		for i := range waits { // one for each of the two
			waits[i], _ = submit(p, "GET", "/wait")
		}
		blocked, _ := submit(p, "GET", "/block/it")
		time.Sleep(2*probeEvery + blockedAt)
		began := time.Now()
		for range 20 { // far more than would go to the other one, were they shared out
			if s, _ := submit(p, "GET", "/"); s.result() != "quick" {
				t.Fatal(s.failure)
			}
		}
		if took := time.Since(began); took > time.Millisecond {
			t.Error("a quick request waited for", took)
		}
		var held int
		for _, w := range p.Status().Workers {
			if w.Blocked > 0 {
				held += w.Inflight
			}
		}
		if held != 2 {
			t.Errorf("the blocked worker has %d requests", held)
		}
		if blocked.result() != "blocked" || waits[0].result() != "waited" || waits[1].result() != "waited" {
			t.Fatal(blocked.failure)
		}
		time.Sleep(watchInterval)
		for _, w := range p.Status().Workers {
			if w.Blocked > 0 {
				t.Error("a worker counts as blocked still")
			}
		}
		wants(t, log, "worker was blocked", "requests=2", " for=", "slow_trace")
		if n := p.Metrics().Generations[0].Blocks; n != 1 {
			t.Error("blocks:", n)
		}
	})
}

func TestRequestsWaitWhereEveryWorkerIsBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(8, blocking)))
		defer p.Stop(context.Background())
		ready()
		blocked, _ := submit(p, "GET", "/block/it")
		time.Sleep(2*probeEvery + blockedAt)
		s, _ := submit(p, "GET", "/")
		synctest.Wait()
		if p.Status().Queued != 1 {
			t.Error("it does not wait in the queue")
		}
		if s.result() != "quick" || blocked.result() != "blocked" {
			t.Error(s.failure, blocked.failure)
		}
	})
}

func TestEachPlaceThatBlocksIsNamedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, SlowTrace: true})
		p, _ := newFakePool(t, set, always(withBacktraces(serve(8, blocking))))
		defer p.Stop(context.Background())
		ready()
		for _, target := range []string{"/block/a", "/block/b", "/block/a", "/block/b"} {
			if s, _ := submit(p, "GET", target); s.result() != "blocked" {
				t.Fatal(s.failure)
			}
			time.Sleep(time.Second)
		}
		wants(t, log, "stream 1 runs")
		for _, place := range []string{"#0 worker.php in /block/a", "#0 worker.php in /block/b"} {
			if n := strings.Count(log.String(), place); n != 1 {
				t.Errorf("%s is named %d times:\n%s", place, n, log)
			}
		}
	})
}

func TestWorkerOnAllProcessorsIsNotProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(func(w *fakeWorker) {
			w.features = []string{threadsFeature}
			serve(8, blocking)(w)
		}))
		defer p.Stop(context.Background())
		ready()
		s, _ := submit(p, "GET", "/block/it")
		time.Sleep(2 * time.Second)
		if p.Status().Workers[0].Blocked > 0 || p.Metrics().Generations[0].Blocks > 0 {
			t.Error("it counts as blocked")
		}
		s.result()
	})
}
