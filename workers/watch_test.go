package workers

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestRequestWithoutAnswerTimesOutAndItsWorkerIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, RequestTimeout: 5 * time.Second, QueueTimeout: time.Minute},
			func(n int) script {
				return serve(1, func(w *fakeWorker, r *protocol.Request) {
					if n == 1 {
						w.deafTERM.Store(true)
						w.hang()
					}
					w.answer(r, "second")
				})
			})
		defer p.Stop(context.Background())
		ready()
		began := time.Now()
		s, _ := submit(p, "GET", "/")
		next, _ := submit(p, "GET", "/")
		for s.failureKind() == 0 {
			time.Sleep(watchInterval)
		}
		if waited := time.Since(began); waited < 5*time.Second || waited > 5*time.Second+3*watchInterval ||
			s.failureKind() != protocol.FailedTimeout {
			t.Fatalf("%v after %v", s.failure, waited)
		}
		// RESET is not heeded in heedTimeout, nor TERM in StopTimeout: then KILL, and the next worker.
		if got := next.result(); got != "second" || f.process(1).how != "signal: killed" {
			t.Fatalf("%q, %s", got, f.process(1).how)
		}
		<-s.finished
	})
}

func TestAnExchangesOwnTimeOutCountsInPlaceOfThePools(t *testing.T) {
	for name, c := range map[string]struct{ pools, own, want time.Duration }{
		"shorter": {time.Minute, time.Second, time.Second},
		"longer":  {time.Second, 5 * time.Second, 5 * time.Second},
		"only":    {0, time.Second, time.Second},
		"none":    {time.Second, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := make(chan int64, 1)
				p, _ := newFakePool(t, Settings{Workers: 1, RequestTimeout: c.pools}, always(func(w *fakeWorker) {
					w.features = []string{"deadline"}
					serve(1, func(w *fakeWorker, r *protocol.Request) {
						told <- r.Deadline
						w.hang()
					})(w)
				}))
				defer p.Stop(context.Background())
				ready()
				began := time.Now()
				s := newSink()
				p.Submit(&protocol.Exchange{Request: get("/"), Sink: s, Timeout: c.own})
				if got := <-told; got != c.want.Milliseconds() { // 0 is none
					t.Errorf("the worker was told %d", got)
				}
				for s.failureKind() == 0 && time.Since(began) < 10*time.Second {
					time.Sleep(watchInterval)
				}
				if late := s.failureKind() == protocol.FailedTimeout; late != (c.want > 0) {
					t.Error(s.failureKind())
				} else if took := time.Since(began); late && (took < c.want || took > c.want+3*watchInterval) {
					t.Error(took)
				}
			})
		})
	}
}

func TestTimeOutThatIsHeededKillsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, RequestTimeout: 5 * time.Second},
			always(serve(1, func(w *fakeWorker, r *protocol.Request) {
				if r.Target == "/slow" {
					w.next(protocol.TypeReset)
					w.conn.Send(&protocol.Done{Stream: r.Stream})
					return
				}
				w.answer(r, "next")
			})))
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/slow")
		next, _ := submit(p, "GET", "/")
		if s.failed(t).Kind != protocol.FailedTimeout || next.result() != "next" || f.count() != 1 {
			t.Fatal(s.failure, next.failure, f.count())
		}
	})
}

// TestDoneAtTheLastMomentHarmsNoOtherRequest has DONE arrive just when the worker is to be ended for not heeding
// RESET.
func TestDoneAtTheLastMomentHarmsNoOtherRequest(t *testing.T) {
	for late := -2 * time.Millisecond; late <= 200*time.Millisecond; late += time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			p, _ := newFakePool(t, Settings{Workers: 1, RequestTimeout: 5 * time.Second},
				always(serve(1, func(w *fakeWorker, r *protocol.Request) {
					if r.Target == "/slow" {
						w.next(protocol.TypeReset)
						time.Sleep(heedTimeout + late)
						w.conn.Send(&protocol.Done{Stream: r.Stream})
						return
					}
					time.Sleep(time.Second)
					w.answer(r, "next")
				})))
			defer p.Stop(context.Background())
			slow, _ := submit(p, "POST", "/slow")
			next, _ := submit(p, "POST", "/")
			if slow.failed(t).Kind != protocol.FailedTimeout || next.result() != "next" {
				t.Fatalf("%v late: %v", late, next.failure)
			}
		})
	}
}

func TestTimeThatTheClientTakesIsNotTheWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, RequestTimeout: 5 * time.Second, StreamBody: true},
			always(serve(1, func(w *fakeWorker, r *protocol.Request) {
				for end := false; !end; { // a body that comes slowly
					payload, _ := w.next(protocol.TypeData)
					var m protocol.Data
					m.Parse(payload)
					end = m.Flags&protocol.FlagEnd != 0
				}
				w.conn.Send(&protocol.Response{Stream: r.Stream, Status: 200})
				window := protocol.DefaultWindow // and an answer that is taken slowly
				for sent := 0; sent < 1<<20; sent += protocol.MaxData {
					for window < protocol.MaxData {
						payload, ok := w.next(protocol.TypeWindow)
						if !ok {
							return
						}
						var m protocol.Window
						m.Parse(payload)
						window += m.Bytes
					}
					w.conn.Send(&protocol.Data{Stream: r.Stream, Bytes: make([]byte, protocol.MaxData)})
					window -= protocol.MaxData
				}
				w.conn.Send(&protocol.Data{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone})
			})))
		defer p.Stop(context.Background())
		ready()
		s := newSink()
		s.hold = true
		r := get("/")
		r.Method, r.Flags, r.Length = "POST", 0, -1
		p.Submit(&protocol.Exchange{Request: r, Sink: s})
		for range 4 {
			time.Sleep(time.Minute)
			s.stream.Send([]byte("a little"), false, nil)
		}
		s.stream.Send(nil, true, nil)
		for given := 0; given < 1<<20; given += protocol.MaxData {
			time.Sleep(time.Minute)
			s.stream.Consumed(protocol.MaxData)
		}
		if s.result(); s.failure != nil || len(s.body) != 1<<20 || f.count() != 1 {
			t.Fatal(s.failure, len(s.body))
		}
	})
}

func TestSilenceAfterTheHeadTimesOut(t *testing.T) {
	for _, before := range []string{"the head", "the end"} {
		t.Run("after "+before, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := newFakePool(t, Settings{Workers: 1, RequestTimeout: 5 * time.Second},
					always(serve(1, func(w *fakeWorker, r *protocol.Request) {
						m := &protocol.Response{Stream: r.Stream, Status: 200}
						if before == "the end" {
							m.Flags = protocol.FlagEnd
						}
						w.conn.Send(m)
						w.hang()
					})))
				defer p.Stop(context.Background())
				ready()
				s := newSink()
				r := get("/")
				r.Flags, r.Length = 0, -1 // a body that nobody sends to its end
				p.Submit(&protocol.Exchange{Request: r, Sink: s})
				if before == "the head" {
					synctest.Wait()
					s.stream.Send(nil, true, nil)
				}
				<-s.finished
				if got, want := s.failure != nil,
					before == "the head"; got != want || f.process(1).how != "signal: terminated" {
					t.Fatal(s.failure, f.process(1).how)
				}
			})
		})
	}
}

func TestHungRequestAmongOthersEndsWithoutHarmToThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1, RequestTimeout: 5 * time.Second, DrainTimeout: 20 * time.Second},
			always(serve(8, func(w *fakeWorker, r *protocol.Request) {
				if r.Target == "/hung" {
					return
				}
				go func() {
					time.Sleep(4 * time.Second)
					w.answer(r, "well")
				}()
			})))
		defer p.Stop(context.Background())
		ready()
		hung, _ := submit(p, "GET", "/hung")
		for range 30 {
			s, _ := submit(p, "POST", "/")
			time.Sleep(time.Second)
			defer func() {
				if s.result() != "well" {
					t.Error(s.failure)
				}
			}()
		}
		if hung.failed(t).Kind != protocol.FailedTimeout {
			t.Fatal(hung.failure)
		}
		if f.count() != 2 {
			t.Fatalf("%d workers were started", f.count())
		}
	})
}

func TestIdleWorkerThatDoesNotAnswerPINGIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n > 1 {
				return serve(1, generationWorker)
			}
			return func(w *fakeWorker) { w.boot(1); w.hang() }
		})
		defer p.Stop(context.Background())
		time.Sleep(pingEvery + pingTimeout + time.Second)
		if s, _ := submit(p, "POST", "/"); s.result() != "generation 1" || f.count() != 2 {
			t.Fatal(s.failure, f.count())
		}
		time.Sleep(time.Hour)
		if f.count() != 2 {
			t.Fatal("a worker that answers was replaced")
		}
	})
}

func TestBusyWorkerOfOneRequestIsNotPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			time.Sleep(time.Hour)
			w.conn.Send(&protocol.Pong{Token: 7})
			w.answer(r, "at last")
		})))
		defer p.Stop(context.Background())
		for range 3 {
			if s, _ := submit(p, "GET", "/"); s.result() != "at last" || f.count() != 1 {
				t.Fatal(s.failure, f.count())
			}
			time.Sleep(pingEvery + watchInterval) // a PING is under way when the next request comes
		}
	})
}

func TestBusyWorkerOfManyRequestsMustAnswerPING(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(serve(8, func(w *fakeWorker, r *protocol.Request) {
			if r.Attempt == 2 {
				w.answer(r, "second")
				return
			}
			w.hang()
		})))
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/")
		if f0 := s.failed(t); f0.Kind != protocol.FailedBroken ||
			!strings.Contains(f0.Detail, "no answer to PING within 20s") {
			t.Fatal(f0)
		}
		time.Sleep(time.Second)
		if f.count() != 2 {
			t.Fatal("it was not replaced")
		}
	})
}

func TestWorkerThatClosesItsOutputAndLivesOnIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			return serve(1, func(w *fakeWorker, r *protocol.Request) {
				if n == 1 {
					w.closeOutput()
					w.hang()
				}
				w.answer(r, "second")
			})
		})
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/")
		if f0 := s.failed(t); f0.Kind != protocol.FailedBroken ||
			!strings.Contains(f0.Detail, "it closed its output and lived on") {
			t.Fatal(f0)
		}
		if next, _ := submit(p, "GET", "/"); next.result() != "second" || f.count() != 2 {
			t.Fatal(next.failure)
		}
	})
}

func TestWorkerMayExitAfterTheEndAndBeforeDONE(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd, Status: 200,
				Body: []byte("whole")})
			w.conn.Flush()
			w.die("exit status 255")
		})))
		defer p.Stop(context.Background())
		if s, _ := submit(p, "GET", "/"); s.result() != "whole" || s.begun != 1 {
			t.Fatal(s.failure)
		}
	})
}

func TestDONEWithoutAWholeResponseFailsTheRequest(t *testing.T) {
	for name, want := range map[string]string{"no RESPONSE": "DONE came without a RESPONSE",
		"no END": "DONE came before the response had its END"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
					if name == "no END" {
						w.conn.Send(&protocol.Response{Stream: r.Stream, Status: 200})
					}
					w.conn.Send(&protocol.Done{Stream: r.Stream})
				})))
				defer p.Stop(context.Background())
				s, _ := submit(p, "GET", "/")
				if f0 := s.failed(t); f0.Kind != protocol.FailedReset || !strings.Contains(f0.Detail, want) ||
					f.count() != 1 {
					t.Fatal(f0)
				}
			})
		})
	}
}

func TestResponseThatTheWorkerGivesUpFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			w.conn.Send(&protocol.Response{Stream: r.Stream, Status: 200, Body: []byte("half")})
			w.conn.Send(&protocol.Reset{Stream: r.Stream, Code: protocol.ResetInternal, Reason: "a generator threw"})
			w.conn.Send(&protocol.Data{Stream: r.Stream, Bytes: []byte("late")})
			w.conn.Send(&protocol.Done{Stream: r.Stream})
		})))
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/")
		if f0 := s.failed(t); f0.Kind != protocol.FailedReset ||
			!strings.Contains(f0.Detail, "INTERNAL a generator threw") || string(s.body) != "half" || f.count() != 1 {
			t.Fatal(f0, string(s.body))
		}
	})
}
