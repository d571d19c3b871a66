package workers

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func respond(w *fakeWorker, r *protocol.Request, status int) {
	w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone, Status: status})
}

func TestNewWorkerAnswersItsWarmUpBeforeItGetsTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cold atomic.Int32
		p, f := newFakePool(t, Settings{Workers: 1, MaxRequests: 1,
			Warmup: []Warmup{{Request: get("/")}, {get("/missing"), 404}}}, func(int) script {
			warm := 0
			return serve(1, func(w *fakeWorker, r *protocol.Request) {
				switch r.Target {
				case "/":
					time.Sleep(time.Second)
					warm++
					respond(w, r, 200)
				case "/missing":
					warm++
					respond(w, r, 404)
				default:
					if warm != 2 {
						cold.Add(1)
					}
					w.answer(r, "warm")
				}
			})
		})
		defer p.Stop(context.Background())
		for range 4 { // boot, and recycling after each request
			if s, _ := submit(p, "GET", "/x"); s.result() != "warm" {
				t.Fatal(s.failure)
			}
			time.Sleep(5 * time.Second)
		}
		if f.count() != 5 || cold.Load() > 0 {
			t.Fatalf("%d starts, %d requests for cold workers", f.count(), cold.Load())
		}
		if m, c := p.Metrics(), p.Metrics().Generations[0]; c.Classes[2] != 4 || c.Classes[4] != 0 ||
			c.Service.Count() != 4 || m.Wait.Count() != 4 {
			t.Errorf("what warmed workers up was counted as answers to clients: %+v", m)
		}
		f.process(5).die("exit status 1") // a respawn is warmed up, too
		if s, _ := submit(p, "GET", "/x"); s.result() != "warm" || cold.Load() > 0 {
			t.Fatal(s.failure, cold.Load())
		}
		r := p.Reload()
		if e := follow(r)[1]; e.Kind != EventReplaced || e.Boot < time.Second || cold.Load() > 0 {
			t.Fatalf("%+v", e)
		}
	})
}

func TestFailedWarmUpIsAFailedBoot(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		act    func(w *fakeWorker, r *protocol.Request)
		want   string
	}{
		"error": {0, func(w *fakeWorker, r *protocol.Request) {
			w.conn.Send(&protocol.Response{Stream: r.Stream, Status: 500, Body: []byte("<h1>Oh\n no")})
			w.conn.Send(&protocol.Data{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone,
				Bytes: bytes.Repeat([]byte("\x1b</h1>"), 500)})
		}, `warm-up GET /health answered 500: <h1>Oh no\x1b</h1>\x1b</h1>`},
		"what a framework says to a request that it does not like": {0, func(w *fakeWorker, r *protocol.Request) {
			respond(w, r, 400)
		}, "warm-up GET /health answered 400"},
		"another status than was asked for": {204, func(w *fakeWorker, r *protocol.Request) {
			respond(w, r, 200)
		}, "warm-up GET /health answered 200, not 204"},
		"silence": {0, func(w *fakeWorker, _ *protocol.Request) {
			w.hang()
		}, "warm-up GET /health was not answered within start_timeout (3s)"},
		"exit": {0, func(w *fakeWorker, _ *protocol.Request) {
			w.die("exit status 255")
		}, "it ended before it had answered the warm-up GET /health (exit status 255)"},
		"a refusal": {0, func(w *fakeWorker, r *protocol.Request) {
			w.conn.Send(&protocol.Reset{Stream: r.Stream, Code: protocol.ResetRefused})
			w.conn.Send(&protocol.Done{Stream: r.Stream})
		}, "warm-up GET /health was not answered"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := newFakePool(t, Settings{Workers: 2, StartTimeout: 3 * time.Second}, func(n int) script {
					return serve(1, func(w *fakeWorker, r *protocol.Request) {
						if n > 2 {
							test.act(w, r)
						} else {
							generationWorker(w, r)
						}
					})
				})
				defer p.Stop(context.Background())
				ready()
				reconfigured(t, p, func(s *Settings) { s.Warmup = []Warmup{{get("/health"), test.status}} })
				e := last(follow(p.Reload()))
				if e.Kind != EventFailed || !strings.Contains(e.Error, test.want) || e.Replaced != 0 ||
					f.alive() != 2 {
					t.Fatalf("%+v", e)
				}
				if s, _ := submit(p, "GET", "/"); s.result() != "generation 1" {
					t.Fatal(s.failure)
				}
			})
		})
	}
}

func TestTrialChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2, Warmup: []Warmup{{Request: get("/health")}}}, func(n int) script {
			return func(w *fakeWorker) {
				time.Sleep(40 * time.Millisecond)
				w.errs.Write([]byte("Deprecated: old\n"))
				if n == 4 {
					broken(w)
					return
				}
				serve(1, generationWorker)(w)
			}
		})
		defer p.Stop(context.Background())
		ready()
		before := pids(p)
		trial, err := p.Try(context.Background(), *p.settings, nil)
		if err != nil || trial.PID != 1003 || trial.Boot < 40*time.Millisecond || trial.SDK != "fake" ||
			trial.Output != "Deprecated: old" || trial.Directory == "" {
			t.Fatalf("%+v %v", trial, err)
		}
		trial, err = p.Try(context.Background(), *p.settings, nil)
		if err == nil || !strings.Contains(err.Error(), "PHP Parse error") || trial.Output != "Deprecated: old" {
			t.Fatalf("%+v %v", trial, err)
		}
		st := p.Status()
		if !reflect.DeepEqual(pids(p), before) || f.alive() != 2 || st.Generation != 1 || st.Failure != "" ||
			st.Reloading {
			t.Fatalf("%+v", st)
		}
	})
}

func TestTrialIsGivenUpWithItsContextAndWithThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n > 1 {
				return func(w *fakeWorker) { w.hang() }
			}
			return serve(1, generationWorker)
		})
		ready()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := p.Try(ctx, *p.settings, nil); !errors.Is(err, context.DeadlineExceeded) || f.alive() != 1 {
			t.Fatal(err)
		}
		stopped := make(chan struct{})
		go func() { defer close(stopped); time.Sleep(time.Second); p.Stop(context.Background()) }()
		if _, err := p.Try(context.Background(), *p.settings, nil); err == nil {
			t.Fatal("the trial outlived the pool")
		}
		if _, err := p.Try(context.Background(), *p.settings, nil); !errors.Is(err, ErrStopping) {
			t.Fatal(err)
		}
		if <-stopped; f.alive() != 0 {
			t.Fatal("a worker is left")
		}
	})
}

func TestTrialEstimatesTheReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 7}, always(func(w *fakeWorker) {
			time.Sleep(time.Second)
			serve(1, generationWorker)(w)
			time.Sleep(250 * time.Millisecond) // after DRAIN
		}))
		defer p.Stop(context.Background())
		time.Sleep(2 * time.Second)
		for surge, rounds := range map[int]time.Duration{1: 7, 3: 3, 100: 1} {
			set := *p.settings
			set.Surge = surge
			trial, err := p.Try(context.Background(), set, nil)
			if err != nil {
				t.Fatal(err)
			}
			expected := rounds * (trial.Boot + 250*time.Millisecond)
			longest := rounds * (trial.Boot + 40*time.Second)
			if surge > 1 { // the first one is alone
				expected += trial.Boot
				longest += trial.Boot
			}
			if trial.Workers != 7 || trial.Expected != expected || trial.Longest != longest ||
				trial.Boot < time.Second {
				t.Errorf("surge %d: %+v", surge, trial)
			}
		}
		busy := Trial{Workers: 8, Boot: time.Second}
		// of a processor each, so eight at once take eight times as long, beside the first one
		cpu := time.Duration(runtime.NumCPU()) * time.Second
		if busy.estimate(&Settings{Surge: 8}, 0, cpu); busy.Expected != 9*time.Second {
			t.Errorf("%+v", busy)
		}
	})
}
