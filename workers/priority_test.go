package workers

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestDatagramsLeaveHalfOfTheQueueToRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		p, _ := newFakePool(t, Settings{Workers: 1, Queue: 4, QueueTimeout: time.Minute},
			always(after(time.Second, &j)))
		defer p.Stop(context.Background())
		ready()
		first, _ := submit(p, "POST", "/first")
		datagram := func() *testSink {
			s := newSink()
			p.Submit(&protocol.Exchange{
				Request: &protocol.Incoming{Flags: protocol.FlagEnd,
					Connection: protocol.Connection{Protocol: protocol.ProtoUDP}}, Sink: s})
			return s
		}
		waiting := []*testSink{datagram(), datagram()}
		if got := datagram().failureKind(); got != protocol.FailedQueueFull {
			t.Errorf("a datagram too many: %v", got)
		}
		for i := range 2 {
			s, _ := submit(p, "POST", fmt.Sprint("/", i))
			waiting = append(waiting, s)
		}
		if s, _ := submit(p, "POST", "/refused"); s.failureKind() != protocol.FailedQueueFull {
			t.Error("a request too many was not refused")
		}
		p.Stop(context.Background())
		for _, s := range append(waiting, first) {
			<-s.finished
		}
	})
}

// A full queue behind one slow worker: health checks pass it, and only so many of them wait.
func TestRequestsWithPriorityPassAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		p, _ := newFakePool(t, Settings{Workers: 1, Queue: 2, QueueTimeout: time.Minute},
			always(after(time.Second, &j)))
		defer p.Stop(context.Background())
		ready()
		urgent := func(target string) *testSink {
			s := newSink()
			p.Submit(&protocol.Exchange{Request: post(target), Sink: s, Priority: true})
			return s
		}
		var sinks []*testSink
		for i := range 3 {
			s, _ := submit(p, "POST", fmt.Sprint("/", i))
			sinks = append(sinks, s)
		}
		for i := range reserved {
			sinks = append(sinks, urgent(fmt.Sprint("/health", i)))
		}
		s, _ := submit(p, "POST", "/refused")
		if got := s.failureKind(); got != protocol.FailedQueueFull {
			t.Errorf("a normal request: %v", got)
		}
		if got := urgent("/health").failureKind(); got != protocol.FailedQueueFull {
			t.Errorf("one with priority too many: %v", got)
		}
		for _, s := range sinks {
			s.result()
		}
		want := []string{"/0"}
		for i := range reserved {
			want = append(want, fmt.Sprint("/health", i))
		}
		if got := j.all(); !reflect.DeepEqual(got, append(want, "/1", "/2")) {
			t.Errorf("the order was %v", got)
		}
	})
}

// Whoever stands in front does not make those behind wait beyond their deadline, nor is it subject to theirs.
func TestPriorityChangesNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, QueueTimeout: 10 * time.Second},
			always(serve(1, func(w *fakeWorker, r *protocol.Request) {
				w.hang()
			})))
		ready()
		submit(p, "POST", "/busy")
		began := time.Now()
		early, _ := submit(p, "POST", "/early")
		time.Sleep(4 * time.Second)
		urgent := newSink()
		p.Submit(&protocol.Exchange{Request: post("/health"), Sink: urgent, Priority: true})
		late, _ := submit(p, "POST", "/late")
		for _, each := range []struct {
			sink *testSink
			want time.Duration
		}{{early, 10 * time.Second}, {urgent, 14 * time.Second}, {late, 14 * time.Second}} {
			if got := each.sink.failed(t).Kind; got != protocol.FailedQueueTimeout || time.Since(began) != each.want {
				t.Errorf("%v after %v, expected %v", got, time.Since(began), each.want)
			}
		}
		now, cancel := context.WithCancel(context.Background())
		cancel()
		p.Stop(now)
	})
}

func post(target string) *protocol.Request {
	r := get(target)
	r.Method = "POST"
	return r
}
