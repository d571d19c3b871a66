package workers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// journal notes the order in which workers see requests.
type journal struct {
	mu   sync.Mutex
	seen []string
}

func (j *journal) note(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen = append(j.seen, what)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.seen...)
}

// after answers when d has passed.
func after(d time.Duration, j *journal) script {
	return serve(1, func(w *fakeWorker, r *protocol.Request) {
		j.note(r.Target)
		time.Sleep(d)
		w.answer(r, r.Target)
	})
}

func TestQueueIsServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		p, _ := newFakePool(t, Settings{Workers: 1}, always(after(time.Second, &j)))
		defer p.Stop(context.Background())
		var last *testSink
		var want []string
		for i := range 9 {
			target := fmt.Sprint("/", i)
			want = append(want, target)
			last, _ = submit(p, "GET", target)
		}
		<-last.finished
		if got := j.all(); !reflect.DeepEqual(got, want) {
			t.Fatalf("seen %v", got)
		}
	})
}

func TestRequestsThatMoveKeepTheirPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		p, f := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n == 1 {
				return func(w *fakeWorker) { w.boot(3); w.hang() } // reads nothing after HELLO
			}
			return after(time.Second, &j)
		})
		defer p.Stop(context.Background())
		ready()
		var sinks []*testSink
		for i := range 6 { // three with the worker, of which it can't have seen the first, and three in the queue
			s, _ := submit(p, "POST", fmt.Sprint("/", i))
			sinks = append(sinks, s)
		}
		f.process(1).Kill()
		var kinds []string
		for _, s := range sinks {
			kinds = append(kinds, s.result())
		}
		// The second and third were queued behind a frame that waited, so that nobody knows whether they were read.
		if want := []string{"/0", "worker died", "worker died", "/3", "/4", "/5"}; !reflect.DeepEqual(kinds, want) {
			t.Fatalf("got %v", kinds)
		}
		if got, want := j.all(), []string{"/0", "/3", "/4", "/5"}; !reflect.DeepEqual(got, want) {
			t.Fatalf("seen %v", got)
		}
	})
}

func TestUnsafeRequestMovesIfItsWorkerDiedBeforeReadingIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n == 1 {
				return func(w *fakeWorker) { w.boot(1); w.hang() }
			}
			return serve(1, generationWorker)
		})
		defer p.Stop(context.Background())
		ready()
		s, _ := submit(p, "POST", "/")
		synctest.Wait()
		f.process(1).Kill()
		if got := s.result(); got != "generation 1" || s.begun != 2 {
			t.Fatalf("%q after %d begins", got, s.begun)
		}
	})
}

// TestUnsafeRequestWhoseBodyIsUnreadIsNotRepeated has a worker die when it has read the request, but not the larger
// body behind it.
func TestUnsafeRequestWhoseBodyIsUnreadIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			w.die("exit status 1")
		})))
		defer p.Stop(context.Background())
		ready()
		s := newSink()
		s.onBegin = func(st protocol.Stream) { st.Send(make([]byte, 100<<10), false, nil) }
		s.onWrite = s.onBegin
		r := get("/")
		r.Method, r.Flags, r.Length = "POST", 0, -1
		p.Submit(&protocol.Exchange{Request: r, Sink: s})
		if got := s.failed(t).Kind; got != protocol.FailedDied || s.begun != 1 || f.count() != 1 {
			t.Fatalf("%v, %d begins", got, s.begun)
		}
	})
}

func TestRefusedRequestGoesToAnotherWorker(t *testing.T) {
	for _, end := range []string{"DONE", "death"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _ := newFakePool(t, Settings{Workers: 3}, func(n int) script {
					if n == 2 {
						return serve(1, generationWorker)
					}
					return serve(1, func(w *fakeWorker, r *protocol.Request) {
						w.conn.Send(&protocol.Reset{Stream: r.Stream, Code: protocol.ResetRefused})
						if w.conn.Flush(); end == "death" {
							w.die("exit status 0")
						}
						w.conn.Send(&protocol.Done{Stream: r.Stream})
					})
				})
				defer p.Stop(context.Background())
				ready()
				s, _ := submit(p, "POST", "/")
				if got := s.result(); got != "generation 1" {
					t.Fatal(s.failure)
				}
			})
		})
	}
}

func TestRequestThatEveryWorkerRefusesFails(t *testing.T) {
	for _, how := range []string{"refuse", "die"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				run := func(w *fakeWorker) { // dies with the request unread
					w.boot(1)
					time.Sleep(time.Second)
				}
				if how == "refuse" {
					run = serve(1, func(w *fakeWorker, r *protocol.Request) {
						w.conn.Send(&protocol.Reset{Stream: r.Stream, Code: 150})
						w.conn.Send(&protocol.Done{Stream: r.Stream})
					})
				}
				p, _ := newFakePool(t, Settings{Workers: 2, QueueTimeout: time.Hour}, always(run))
				defer p.Stop(context.Background())
				s, _ := submit(p, "POST", "/")
				if s.failed(t); s.begun != maxMoves {
					t.Fatalf("%d begins, then %v", s.begun, s.failure)
				}
			})
		})
	}
}

func TestQueueIsBoundedInLengthAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		p, _ := newFakePool(t, Settings{Workers: 1, Queue: 3, QueueTimeout: 2 * time.Second},
			always(after(90*time.Second, &j)))
		defer p.Stop(context.Background())
		ready()
		began := time.Now()
		busy, _ := submit(p, "GET", "/busy")
		var queued []*testSink
		for range 3 {
			s, _ := submit(p, "GET", "/queued")
			queued = append(queued, s)
			time.Sleep(100 * time.Millisecond)
		}
		full, _ := submit(p, "GET", "/full")
		if f := full.failed(t); f.Kind != protocol.FailedQueueFull ||
			!strings.Contains(f.Detail, "3 requests wait already; raise `queue` or `workers`") {
			t.Fatal(f)
		}
		for i, s := range queued {
			if f := s.failed(t); f.Kind != protocol.FailedQueueTimeout ||
				!strings.Contains(f.Detail, "no worker was free within 2s") {
				t.Fatal(f)
			}
			if waited, want := time.Since(began), 2*time.Second+time.Duration(i)*100*time.Millisecond; waited != want {
				t.Fatalf("request %d left after %v, not %v", i, waited, want)
			}
		}
		if p.Status().Queued != 0 || busy.result() != "/busy" {
			t.Fatal("the queue is not empty, or the request at hand was harmed")
		}
	})
}

func TestPoolWithoutQueueRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		p, _ := newFakePool(t, Settings{Workers: 1, Queue: -1}, always(after(time.Second, &j)))
		defer p.Stop(context.Background())
		ready()
		one, _ := submit(p, "GET", "/1")
		two, _ := submit(p, "GET", "/2")
		if two.failed(t).Kind != protocol.FailedQueueFull || one.result() != "/1" {
			t.Fatal("the second request was not refused")
		}
	})
}

func TestRequestThatIsTurnedAwayHearsOfTheFailedBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1}, always(func(w *fakeWorker) {
			w.conn.Accept()
			w.conn.Send(&protocol.Failed{Message: "PHP Parse error"})
		}))
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/")
		if f := s.failed(t); f.Kind != protocol.FailedNoWorker ||
			!strings.Contains(f.Detail, "no worker can start: PHP Parse error") {
			t.Fatal(f)
		}
	})
}

func TestTenThousandCancelledRequestsLeaveTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		p, _ := newFakePool(t, Settings{Workers: 1, Queue: 10_000, QueueTimeout: time.Hour},
			always(after(time.Minute, &j)))
		defer p.Stop(context.Background())
		ready()
		first, _ := submit(p, "GET", "/first")
		var tickets []protocol.Ticket
		var sinks []*testSink
		for range 10_000 {
			s, ticket := submit(p, "GET", "/many")
			tickets, sinks = append(tickets, ticket), append(sinks, s)
		}
		if s, _ := submit(p, "GET", "/full"); s.failed(t).Kind != protocol.FailedQueueFull {
			t.Fatal("the queue has no end")
		}
		for _, i := range rand.Perm(10_000) {
			tickets[i].Cancel(protocol.ResetCancelled)
		}
		for _, s := range sinks {
			if s.failed(t).Kind != protocol.FailedCancelled {
				t.Fatal(s.failure)
			}
		}
		last, _ := submit(p, "GET", "/last")
		if first.result() != "/first" || last.result() != "/last" || len(j.all()) != 2 {
			t.Fatalf("the worker saw %v", j.all())
		}
	})
}

func TestCancelResetsTheRequestAtHandAndKillsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		codes := make(chan protocol.ResetCode, 1)
		p, f := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			if r.Target == "/next" {
				w.answer(r, "next")
				return
			}
			payload, _ := w.next(protocol.TypeReset)
			var m protocol.Reset
			m.Parse(payload)
			codes <- m.Code
			time.Sleep(time.Hour) // DONE is all that ends the lease
			w.answer(r, "too late")
		})))
		defer p.Stop(context.Background())
		ready()
		s, ticket := submit(p, "GET", "/")
		synctest.Wait()
		ticket.Cancel(protocol.ResetCancelled)
		ticket.Cancel(protocol.ResetCancelled)
		if code := <-codes; code != protocol.ResetCancelled {
			t.Fatal(code)
		}
		if st := p.Status().Workers[0]; st.State != Busy {
			t.Fatalf("the worker is %v before DONE", st.State)
		}
		if s.failed(t).Kind != protocol.FailedCancelled {
			t.Fatal(s.failure)
		}
		if next, _ := submit(p, "GET", "/next"); next.result() != "next" || f.count() != 1 {
			t.Fatal("the worker was replaced")
		}
	})
}

func TestConcurrentRequestsGoToTheLeastBusyWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 3, Concurrency: 4},
			always(serve(100, func(w *fakeWorker, r *protocol.Request) {
				go func() {
					time.Sleep(time.Minute)
					w.answer(r, "")
				}()
			})))
		defer p.Stop(context.Background())
		ready()
		var sinks []*testSink
		for i := range 14 {
			s, _ := submit(p, "GET", "/")
			sinks = append(sinks, s)
			st := p.Status()
			least, most := 100, 0
			for _, w := range st.Workers {
				least, most = min(least, w.Inflight), max(most, w.Inflight)
			}
			if most-least > 1 || most > 4 {
				t.Fatalf("after %d requests one worker has %d, another %d", i+1, most, least)
			}
		}
		if q := p.Status().Queued; q != 2 {
			t.Fatalf("%d queued", q)
		}
		for _, s := range sinks {
			s.result()
		}
	})
}

func TestFreshRequestDoesNotOvertakeTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(50, func(w *fakeWorker, r *protocol.Request) {
			j.note(r.Target)
			go func() {
				time.Sleep(time.Second)
				w.answer(r, r.Target)
			}()
		})))
		defer p.Stop(context.Background())
		var want []string
		var wait sync.WaitGroup
		for i := range 20 { // before the worker is there: each has one more submitted when it begins
			target := fmt.Sprint("/", i)
			want = append(want, target)
			s := newSink()
			s.onBegin = func(protocol.Stream) {
				wait.Go(func() {
					late, _ := submit(p, "GET", "/late")
					late.result()
				})
			}
			wait.Add(1)
			go func() { <-s.finished; wait.Done() }()
			p.Submit(&protocol.Exchange{Request: get(target), Sink: s})
		}
		wait.Wait()
		if got := j.all(); !reflect.DeepEqual(got[:20], want) {
			t.Fatalf("seen %v", got)
		}
	})
}
