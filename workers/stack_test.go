package workers

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// logged has the pool's log kept.
func logged(set Settings) (Settings, *lines) {
	log := new(lines)
	set.Logger = hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Debug})
	return set, log
}

// traced is a script whose worker offers backtraces and never finishes a request; it answers the signal after a while.
func traced(after time.Duration) script {
	return func(w *fakeWorker) {
		w.features = []string{backtraceFeature}
		serve(1, func(w *fakeWorker, r *protocol.Request) {
			select {
			case <-w.usr2:
				time.Sleep(after)
				text, _ := protocol.NewValue(map[string]any{"backtrace": "#0 /app/worker.php:12 in spin()"})
				w.conn.Send(&protocol.Log{Level: "warn", Message: "backtrace", Context: text})
			case <-w.died:
			}
			w.hang()
		})(w)
	}
}

func wants(t *testing.T, log *lines, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(log.String(), text) {
			t.Errorf("the log does not say %q:\n%s", text, log.String())
		}
	}
}

func TestHungWorkerIsNamedWithItsRequestAndItsBacktraceBeforeItIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, RequestTimeout: 5 * time.Second})
		p, f := newFakePool(t, set, always(traced(0)))
		defer p.Stop(context.Background())
		ready()
		s := newSink()
		r := get("/hung")
		r.ID = "id-1"
		p.Submit(&protocol.Exchange{Request: r, Sink: s})
		<-s.finished
		if f.process(1).how != "signal: terminated" || s.failed(t).Kind != protocol.FailedTimeout {
			t.Fatal(f.process(1).how, s.failure)
		}
		wants(t, log, `request timed out: `, `worker did not heed RESET, it is terminated: `,
			`request="GET /hung" request_id=id-1`, `/app/worker.php:12 in spin()`, "running=6.")
	})
}

func TestWorkerThatGivesNoBacktraceIn200msIsStuckInACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, RequestTimeout: 5 * time.Second})
		p, f := newFakePool(t, set, always(traced(time.Second)))
		defer p.Stop(context.Background())
		ready()
		began := time.Now()
		s, _ := submit(p, "GET", "/hung")
		<-s.finished
		if took := time.Since(began); f.process(1).how != "signal: terminated" ||
			took > 5*time.Second+heedTimeout+backtraceTimeout+3*watchInterval {
			t.Fatal(f.process(1).how, took)
		}
		wants(t, log, `stuck="in a call that does not return; no backtrace within 200ms; state S (sleeping), in read"`)
	})
}

func TestSignalGoesOnlyToWorkersThatOfferBacktraces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, RequestTimeout: 5 * time.Second, SlowRequest: time.Second,
			SlowTrace: true})
		p, f := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) { w.hang() })))
		defer p.Stop(context.Background())
		ready()
		s, _ := submit(p, "GET", "/hung")
		<-s.finished
		if len(f.process(1).usr2) > 0 {
			t.Fatal("it got the signal, which kills a program without a handler")
		}
		wants(t, log, "gives no backtraces", "state S (sleeping), in read")
	})
}

func TestHealthyWorkersNeverGetTheSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, SlowRequest: time.Second})
		p, f := newFakePool(t, set, always(func(w *fakeWorker) {
			w.features = []string{backtraceFeature}
			serve(1, func(w *fakeWorker, r *protocol.Request) { time.Sleep(3 * time.Second); w.answer(r, "well") })(w)
		}))
		ready()
		s, _ := submit(p, "GET", "/report")
		if s.result() != "well" {
			t.Fatal(s.failure)
		}
		p.Reload().Follow(context.Background(), func(Event) error { return nil })
		p.Stop(context.Background())
		if len(f.process(1).usr2) > 0 {
			t.Fatal("it got the signal")
		}
		if n := strings.Count(log.String(), "slow request: "); n != 1 {
			t.Errorf("it was told %d times while it ran", n)
		}
		wants(t, log, `request="GET /report" request_id="" running=1`, `slow request ended: `, "took=3s")
	})
}

func TestSlowRequestIsTracedIfAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, SlowRequest: time.Second, SlowTrace: true, DrainTimeout: time.Second})
		p, _ := newFakePool(t, set, always(traced(0)))
		ready()
		submit(p, "GET", "/report")
		time.Sleep(2 * time.Second)
		wants(t, log, `slow request: `, `/app/worker.php:12 in spin()`)
		p.Stop(context.Background())
	})
}

func TestFastRequestsAreNotSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, SlowRequest: time.Second})
		p, _ := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(900 * time.Millisecond)
			w.answer(r, "")
		})))
		ready()
		var all []*testSink // the later ones wait, which is not the code's fault
		for range 5 {
			s, _ := submit(p, "GET", "/")
			all = append(all, s)
		}
		for _, s := range all {
			<-s.finished
		}
		p.Stop(context.Background())
		if strings.Contains(log.String(), "slow") {
			t.Fatal(log.String())
		}
	})
}

// A call that the signal cuts short may end the request by itself: then nobody is killed, and the worker is replaced.
func TestWorkerThatTheSignalSetsFreeIsReplacedAndNotKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, RequestTimeout: 5 * time.Second})
		p, f := newFakePool(t, set, func(n int) script {
			return func(w *fakeWorker) {
				w.features = []string{backtraceFeature}
				serve(1, func(w *fakeWorker, r *protocol.Request) {
					if n > 1 {
						w.answer(r, "next")
						return
					}
					<-w.usr2
					text, _ := protocol.NewValue(map[string]any{"backtrace": "#0 in sleep()"})
					w.answer(r, "")
					w.conn.Send(&protocol.Log{Level: "warn", Message: "backtrace", Context: text})
				})(w)
			}
		})
		defer p.Stop(context.Background())
		ready()
		s, _ := submit(p, "GET", "/")
		<-s.finished
		time.Sleep(time.Second)
		next, _ := submit(p, "GET", "/")
		if next.result() != "next" || f.process(1).how != "exit status 0" {
			t.Fatal(next.failure, f.process(1).how)
		}
		wants(t, log, "in sleep()")
	})
}

func TestHungRequestAmongOthersIsTracedAndItsWorkerReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, RequestTimeout: 5 * time.Second, DrainTimeout: 3 * time.Second})
		p, f := newFakePool(t, set, func(n int) script {
			return func(w *fakeWorker) {
				w.features = []string{backtraceFeature}
				asked := w.usr2
				go func() {
					select {
					case <-asked:
						text, _ := protocol.NewValue(map[string]any{"backtrace": "main.hang()"})
						w.conn.Send(&protocol.Log{Level: "warn", Message: "backtrace", Context: text})
					case <-w.died:
					}
				}()
				serve(8, func(w *fakeWorker, r *protocol.Request) {
					if r.Target != "/hung" {
						w.answer(r, "well")
					}
				})(w)
			}
		})
		defer p.Stop(context.Background())
		ready()
		hung, _ := submit(p, "POST", "/hung")
		time.Sleep(8 * time.Second)
		if s, _ := submit(p, "GET", "/"); s.result() != "well" || hung.failureKind() != protocol.FailedTimeout {
			t.Fatal(s.failure, hung.failure)
		}
		time.Sleep(time.Minute)
		if f.count() != 2 || f.alive() != 1 {
			t.Fatalf("%d starts, %d alive", f.count(), f.alive())
		}
		wants(t, log, `worker did not heed RESET, it is replaced: `, `request="POST /hung"`, `backtrace="main.hang()"`)
	})
}
