package workers

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Whatever a request waits for, the queue's deadline counts from when it came.
func TestARequestThatMovesHasOneDeadlineForTheWholeWait(t *testing.T) {
	refuses := serve(1, func(w *fakeWorker, r *protocol.Request) {
		time.Sleep(4 * time.Second)
		w.conn.Send(&protocol.Reset{Stream: r.Stream, Code: protocol.ResetRefused})
		w.conn.Send(&protocol.Done{Stream: r.Stream})
	})
	dies := func(w *fakeWorker) { // with the request unread
		w.boot(1)
		time.Sleep(4 * time.Second)
	}
	for name, c := range map[string]struct {
		run     script
		workers int
	}{
		"refused":              {refuses, 1},
		"refused by everybody": {refuses, 3},
		"died with, unread":    {dies, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _ := newFakePool(t, Settings{Workers: c.workers, QueueTimeout: 10 * time.Second}, always(c.run))
				defer p.Stop(context.Background())
				ready()
				began := time.Now()
				s, _ := submit(p, "POST", "/")
				if f := s.failed(t); f.Kind != protocol.FailedQueueTimeout || f.Detail == "" {
					t.Fatal(f)
				}
				// a worker that has it may keep it beyond the deadline
				if took := time.Since(began); took > 12*time.Second {
					t.Fatalf("it took %v", took)
				}
			})
		})
	}
}

func TestTheTimeThatAWorkerWorkedIsNoneOfTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, QueueTimeout: 10 * time.Second}, func(n int) script {
			return serve(1, func(w *fakeWorker, r *protocol.Request) {
				if n == 1 {
					time.Sleep(time.Minute)
					w.die("signal: segmentation fault")
					return
				}
				w.answer(r, "second")
			})
		})
		defer p.Stop(context.Background())
		ready()
		if s, _ := submit(p, "GET", "/"); s.result() != "second" {
			t.Fatal(s.failure)
		}
	})
}

func TestAShorterDeadlineCountsForThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, QueueTimeout: time.Hour}, always(func(w *fakeWorker) {
			time.Sleep(10 * time.Second)
			serve(1, func(w *fakeWorker, r *protocol.Request) {
				time.Sleep(time.Minute)
				w.answer(r, "")
			})(w)
		}))
		defer p.Stop(context.Background())
		<-p.Started()
		submit(p, "POST", "/busy")
		old, _ := submit(p, "POST", "/old")
		reconfigured(t, p, func(s *Settings) { s.QueueTimeout = time.Second })
		began := time.Now()
		r := p.Reload()
		synctest.Wait()
		fresh, _ := submit(p, "POST", "/new")
		for _, s := range []*testSink{old, fresh} {
			if s.failed(t); time.Since(began) != time.Second {
				t.Fatalf("it waited for %v", time.Since(began))
			}
		}
		follow(r)
	})
}

// A worker is told how long it may be silent if it asks for that, and if the time is not that of its start (SPEC.md
// §7.2).
func TestWhoAsksIsToldTheRequestTimeout(t *testing.T) {
	for name, c := range map[string]struct {
		features []string
		timeout  time.Duration
		want     []int64 // of a warm-up, and of a request
	}{
		"asks":                 {[]string{"deadline"}, 30 * time.Second, []int64{0, 30_000}},
		"does not":             {nil, 30 * time.Second, []int64{0, 0}},
		"asks in vain":         {[]string{"deadline"}, 0, []int64{0, 0}},
		"asks, and it is less": {[]string{"deadline"}, 300 * time.Microsecond, []int64{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []int64
				set := Settings{Workers: 1, RequestTimeout: c.timeout, Warmup: []Warmup{{Request: get("/warm")}}}
				p, _ := newFakePool(t, set, func(int) script {
					return func(w *fakeWorker) {
						w.features = c.features
						serve(1, func(w *fakeWorker, r *protocol.Request) {
							told = append(told, r.Deadline)
							w.answer(r, "well")
						})(w)
					}
				})
				defer p.Stop(context.Background())
				ready()
				s, _ := submit(p, "GET", "/")
				if s.result(); !slices.Equal(told, c.want) {
					t.Errorf("the worker was told %v, want %v", told, c.want)
				}
			})
		})
	}
}

func TestHelloStatesTheHostsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan *protocol.Hello, 1)
		p, _ := newFakePool(t, Settings{Workers: 1}, func(int) script {
			return func(w *fakeWorker) {
				serve(1, generationWorker)(w)
				told <- w.hello
			}
		})
		ready()
		p.Stop(context.Background())
		hello := <-told
		for name, want := range map[string]int{
			"calls": 64, "acts": 64 << 20, "ahead": 8, "headers": 256 << 10, "groups": 1000, "name": 1024, "wings": -1,
		} {
			if got := hello.Limit(name, -1); got != want {
				t.Errorf("%s is %d, want %d", name, got, want)
			}
		}
	})
}
