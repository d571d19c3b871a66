package workers

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// ends says that it ends with its first request, answers that, and runs on for a while.
func ends(w *fakeWorker, r *protocol.Request) {
	w.conn.Send(&protocol.Ending{Last: r.Stream})
	generationWorker(w, r)
	time.Sleep(8 * time.Second)
	w.die("exit status 0")
}

func TestWorkerThatSaysThatItEndsGetsNothingFromThenOn(t *testing.T) {
	for name, workers := range map[string]int{"the only one": 1, "all of two": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := newFakePool(t, Settings{Workers: workers}, func(n int) script {
					if n <= workers {
						return serve(1, ends)
					}
					return serve(1, generationWorker)
				})
				defer p.Stop(context.Background())
				ready()
				for range 20 {
					began := time.Now()
					s, _ := submit(p, "POST", "/")
					if s.result() != "generation 1" || time.Since(began) > 2*time.Second {
						t.Fatalf("%v after %v", s.failure, time.Since(began))
					}
				}
				time.Sleep(2 * time.Second)
				if f.count() != 2*workers || f.alive() != 2*workers {
					t.Errorf("%d were started, %d are alive: none in place of the one that ends", f.count(), f.alive())
				}
				time.Sleep(8 * time.Second)
				if f.count() != 2*workers || f.alive() != workers {
					t.Errorf("%d were started, %d are alive", f.count(), f.alive())
				}
			})
		})
	}
}

func TestWhatWasHandedAheadToAWorkerThatEndsGoesToAnotherOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n > 1 {
				return serve(1, generationWorker)
			}
			return func(w *fakeWorker) {
				w.features = []string{aheadFeature}
				served := 0
				serve(1, func(w *fakeWorker, r *protocol.Request) {
					if served++; served < 10 { // until they come ahead
						generationWorker(w, r)
						return
					}
					time.Sleep(time.Second)
					ends(w, r)
				})(w)
			}
		})
		defer p.Stop(context.Background())
		ready()
		var all []*testSink
		for range 20 {
			s, _ := submit(p, "GET", "/")
			all = append(all, s)
		}
		began := time.Now()
		for _, s := range all {
			if s.result() != "generation 1" {
				t.Error(s.failure)
			}
		}
		if took := time.Since(began); took > 3*time.Second || f.count() != 2 {
			t.Errorf("it took %v, of %d workers", took, f.count())
		}
		if m := p.Metrics().Generations[0]; m.Retries != 0 {
			t.Errorf("%d were tried again", m.Retries)
		}
	})
}

func TestRequestThatCrossesItsWorkersEndGoesToAnotherOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n > 1 {
				return serve(1, generationWorker)
			}
			return serve(1, func(w *fakeWorker, r *protocol.Request) { // it is on its way when the worker says so
				w.conn.Send(&protocol.Ending{})
				w.conn.Send(&protocol.Ending{}) // a second one means nothing
				time.Sleep(8 * time.Second)
				w.die("exit status 0")
			})
		})
		defer p.Stop(context.Background())
		ready()
		began := time.Now()
		if s, _ := submit(p, "POST", "/"); s.result() != "generation 1" || time.Since(began) > 2*time.Second {
			t.Fatalf("%v after %v", s.failure, time.Since(began))
		}
	})
}

func TestCodeThatEndsInEachRequestHasFourProcessesForEachWorkerAtMost(t *testing.T) {
	for name, workers := range map[string]int{"one worker": 1, "three workers": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				most := partingMost * workers
				p, f := newFakePool(t, Settings{Workers: workers, DrainTimeout: time.Hour, QueueTimeout: time.Hour},
					always(serve(1, func(w *fakeWorker, r *protocol.Request) {
						w.conn.Send(&protocol.Ending{Last: r.Stream})
						generationWorker(w, r)
						w.hang()
					})))
				defer p.Stop(context.Background())
				ready()
				sinks := burst(p, most+2)
				time.Sleep(time.Minute)
				if f.count() != most || f.alive() != most {
					t.Fatalf("%d were started, %d are alive", f.count(), f.alive())
				}
				for _, s := range sinks[:most] {
					if s.result() != "generation 1" {
						t.Fatal(s.failure)
					}
				}
				for i, s := range sinks[most:] { // each that leaves makes room for one more, wherever it was
					select {
					case <-s.finished:
						t.Fatal("answered by more than there may be")
					default:
					}
					f.process(1 + i).die("exit status 0")
					time.Sleep(2 * time.Second)
					if s.result() != "generation 1" || f.count() != most+1+i || f.alive() != most {
						t.Fatalf("%v; %d were started, %d are alive", s.failure, f.count(), f.alive())
					}
				}
			})
		})
	}
}
