package workers

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestStopFinishesTheQueueAndTheRequestsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		p, f := newFakePool(t, Settings{Workers: 2}, always(after(3*time.Second, &j)))
		ready()
		var sinks []*testSink
		for range 6 {
			s, _ := submit(p, "POST", "/")
			sinks = append(sinks, s)
		}
		go func() {
			time.Sleep(time.Second)
			if s, _ := submit(p, "GET", "/late"); s.failed(t).Kind != protocol.FailedStopping {
				t.Error("a request came in after Stop")
			}
		}()
		began := time.Now()
		p.Stop(context.Background())
		if took := time.Since(began); took != 9*time.Second {
			t.Fatalf("it took %v", took)
		}
		for _, s := range sinks {
			if s.result() != "/" {
				t.Fatal(s.failure)
			}
		}
		for n := range f.count() {
			if how := f.process(n + 1).how; how != "exit status 0" {
				t.Fatal(how)
			}
		}
	})
}

// A lease that is not begun yet has no place on the wire: a worker that is drained then takes it no more.
func TestStopFinishesARequestOnItsWayToAWorker(t *testing.T) {
	for _, queued := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := newFakePool(t, Settings{Workers: 1}, always(bootsFor(0)))
			ready()
			onItsWay, stopping := make(chan struct{}), make(chan struct{})
			s := newSink()
			s.onBegin = func(protocol.Stream) { close(onItsWay); <-stopping }
			if queued {
				burst(p, 1)
			}
			go p.Submit(&protocol.Exchange{Request: get("/"), Sink: s})
			<-onItsWay
			go p.Stop(context.Background())
			synctest.Wait()
			close(stopping)
			if got := s.result(); s.failure != nil {
				t.Fatalf("queued %v: %s, %v", queued, got, s.failure)
			}
			p.Stop(context.Background())
		})
	}
}

func TestStopEscalatesFromDRAINToTERMToKILL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 3, StopTimeout: 5 * time.Second}, func(n int) script {
			return func(w *fakeWorker) {
				w.deafTERM.Store(n == 3)
				w.boot(1)
				if n == 1 {
					w.next(protocol.TypeDrain)
					return
				}
				w.hang()
			}
		})
		ready()
		began := time.Now()
		p.Stop(context.Background())
		for n, want := range []string{"exit status 0", "signal: terminated", "signal: killed"} {
			if how := f.process(n + 1).how; how != want {
				t.Errorf("worker %d: %s, not %s", n, how, want)
			}
		}
		// DRAIN and the end of input are not heeded by the last two, TERM neither by the last
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestStopCutsWhatOutlastsTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, DrainTimeout: 10 * time.Second, QueueTimeout: time.Hour},
			always(serve(1, func(w *fakeWorker, r *protocol.Request) {
				w.hang()
			})))
		ready()
		hung, _ := submit(p, "GET", "/")
		queued, _ := submit(p, "GET", "/")
		if cut := p.Stop(context.Background()); !slices.Equal(cut, []string{"GET /"}) {
			t.Errorf("it names %q", cut)
		}
		if hung.failed(t).Kind != protocol.FailedDrained || queued.failed(t).Kind != protocol.FailedStopping {
			t.Fatal(hung.failure, queued.failure)
		}
	})
}

func TestStopNowKillsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, always(func(w *fakeWorker) {
			w.deafTERM.Store(true)
			w.boot(1)
			w.hang()
		}))
		ready()
		s, _ := submit(p, "POST", "/")
		queued, _ := submit(p, "POST", "/")
		more, _ := submit(p, "POST", "/")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		began := time.Now()
		p.Stop(ctx)
		if took := time.Since(began); took != 0 || f.process(1).how != "signal: killed" {
			t.Fatal(took, f.process(1).how)
		}
		for _, s := range []*testSink{s, queued, more} {
			s.failed(t)
		}
	})
}

func TestStopAtEveryMomentOfABootAndOfARoll(t *testing.T) {
	for at := time.Duration(0); at < 140*time.Millisecond; at += 5 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			p, _ := newFakePool(t, Settings{Workers: 2, StopTimeout: 20 * time.Millisecond, MaxRequests: 2},
				func(n int) script {
					return func(w *fakeWorker) {
						time.Sleep(20 * time.Millisecond)
						if n == 4 {
							return
						}
						serve(1, generationWorker)(w)
					}
				})
			var rolls []*Roll
			asked := make(chan struct{})
			go func() {
				defer close(asked)
				for range 3 {
					time.Sleep(15 * time.Millisecond)
					rolls = append(rolls, p.Reload())
					submit(p, "GET", "/")
				}
			}()
			time.Sleep(at)
			second := make(chan struct{})
			go func() { p.Stop(context.Background()); close(second) }()
			p.Stop(context.Background())
			<-second
			<-p.Started()
			<-asked
			for _, r := range append(rolls, p.Reload()) {
				if e := last(follow(r)); e.Kind != EventCompleted && e.Kind != EventFailed {
					t.Errorf("a roll ends with %+v", e)
				}
			}
			if got := len(p.Status().Workers); got != 0 {
				t.Errorf("%d workers after Stop", got)
			}
			if s, _ := submit(p, "GET", "/"); s.failed(t).Kind != protocol.FailedStopping {
				t.Error(s.failure)
			}
		})
	}
}

func TestStopDoesNotWaitForWorkersThatNeverCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 2, QueueTimeout: time.Hour}, always(broken))
		time.Sleep(time.Minute)
		s, _ := submit(p, "GET", "/")
		began := time.Now()
		p.Stop(context.Background())
		if took := time.Since(began); took != 0 || s.failed(t).Kind != protocol.FailedNoWorker {
			t.Fatal(took, s.failure)
		}
	})
}

func TestStopEndsAPrepare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1,
			Prepare: func(ctx context.Context, dir string, generation uint64) ([]string, error) {
				if generation > 1 {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return []string{"/bin/sh"}, nil
			}}, always(serve(1, generationWorker)))
		ready()
		r := p.Reload()
		synctest.Wait()
		p.Stop(context.Background())
		if e := last(follow(r)); e.Kind != EventFailed || e.Error != "pool default: context canceled" {
			t.Fatalf("%+v", e)
		}
	})
}

func TestPoolThatNeverStartedCanBeAskedAndStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakes{choose: always(serve(1, generationWorker))}
		p, err := New(Settings{Name: "app", Command: []string{"/bin/sh"}, Directory: t.TempDir() + "/missing",
			launch: f.launch})
		if err != nil {
			t.Fatal(err)
		}
		if p.Start(context.Background()) == nil {
			t.Fatal("it started in a folder that is missing")
		}
		queued, _ := submit(p, "GET", "/")
		if st := p.Status(); st.Name != "app" || st.Queued != 1 || len(st.Workers) != 0 {
			t.Fatalf("%+v", st)
		}
		if e := last(follow(p.Reload())); e.Kind != EventFailed {
			t.Fatalf("%+v", e)
		}
		p.Stop(context.Background())
		p.Stop(context.Background())
		<-p.Started()
		if queued.failed(t).Kind != protocol.FailedStopping {
			t.Fatal(queued.failure)
		}
		if p.Start(context.Background()) == nil {
			t.Fatal("it started after Stop")
		}
	})
}

func TestPoolStartsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 2}, always(serve(1, generationWorker)))
		defer p.Stop(context.Background())
		if p.Start(context.Background()) == nil {
			t.Fatal("it started twice")
		}
		ready()
		if f.count() != 2 {
			t.Fatalf("%d workers", f.count())
		}
	})
}
