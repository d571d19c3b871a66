package workers

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/workerhost/workerhost/protocol"
)

// dying dies with the first request, and answers the next ones with their attempt.
func dying(n int) script {
	return serve(1, func(w *fakeWorker, r *protocol.Request) {
		if n == 1 {
			w.die("signal: killed")
			return
		}
		w.answer(r, string(rune('0'+r.Attempt)))
	})
}

func TestRequestIsTriedAgainAsItsPoolSays(t *testing.T) {
	for _, test := range []struct {
		name     string
		exchange protocol.Exchange
		want     string
	}{
		{"safe", protocol.Exchange{Repeatable: true}, "2"},
		{"with a key", protocol.Exchange{Keyed: true}, "2"},
		{"neither", protocol.Exchange{}, "worker died"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _ := newFakePool(t, Settings{Workers: 1}, dying)
				defer p.Stop(context.Background())
				ready()
				s := newSink()
				x := test.exchange
				x.Request, x.Sink = get("/"), s
				p.Submit(&x)
				if got := s.result(); got != test.want {
					t.Fatalf("%q: %v", got, s.failure)
				}
			})
		})
	}
}

func TestRequestThatKillsWorkersIsNotTriedAThirdTime(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, f := newFakePool(t, Settings{Workers: 3}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
				w.die("signal: segmentation fault")
			})))
			defer p.Stop(context.Background())
			ready()
			s := newSink()
			p.Submit(&protocol.Exchange{Request: get("/poison"), Repeatable: !keyed, Keyed: keyed, Sink: s})
			if s.failed(t).Kind != protocol.FailedDied || s.begun != 2 {
				t.Fatal(s.failure, s.begun)
			}
			ready()
			if n := f.count(); n != 5 {
				t.Fatalf("%d starts: it has killed more than two", n)
			}
		})
	}
}

func TestRequestWithAKeyIsNeverHandedAhead(t *testing.T) {
	x := &exchange{keyed: true, request: get("/")}
	if x.aheadable() {
		t.Fatal("two workers might have it at once")
	}
}

func TestReloadBringsAnotherRetryPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		ready()
		if p.Traits().Retry != protocol.RetrySafe {
			t.Fatal(p.Traits())
		}
		set := *p.settings
		set.Retry = protocol.RetryNever
		if err := p.Reconfigure(set); err != nil {
			t.Fatal(err)
		}
		follow(p.Reload())
		if p.Traits().Retry != protocol.RetryNever {
			t.Fatal(p.Traits())
		}
	})
}
