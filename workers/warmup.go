// Warming up: requests that a worker has to answer between its READY and its first client.

package workers

import (
	"fmt"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// warmUp settles the boot of a worker that is READY. It ends with the last answer, or with the worker: start_timeout
// sees to that.
func (w *worker) warmUp() {
	for _, r := range w.gen.settings.Warmup {
		name := r.Method + " " + r.Target
		w.mu.Lock()
		w.link.warming = name
		w.mu.Unlock()
		began := time.Now()
		status, err := w.ask(r)
		switch {
		case err != nil:
			w.settleBoot(w.bootFailure(fmt.Sprintf("warm-up %s was not answered: %v", name, err)))
			return
		case status >= 500:
			w.settleBoot(w.bootFailure(fmt.Sprintf("warm-up %s answered %d", name, status)))
			return
		}
		w.log.Debug("warm-up answered", "request", name, "status", status, "took",
			time.Since(began).Round(time.Millisecond).String())
	}
	d := &w.pool.dispatch
	d.mu.Lock()
	w.duty.requests, w.duty.pace = 0, 0 // they were no client's, and slower than what comes
	d.mu.Unlock()
	w.settleBoot(nil)
}

// ask has the worker, which is in nobody else's hands, answer a request, and waits until all code for it has run.
func (w *worker) ask(r *protocol.Request) (status int, err error) {
	request := *r
	sink := &warmSink{finished: make(chan struct{})}
	// for no other worker
	x := &exchange{pool: w.pool, request: &request, kind: protocol.TypeRequest, sink: sink, moves: maxMoves,
		warming: true}
	a := x.newAttempt(w)
	d := &w.pool.dispatch
	d.mu.Lock()
	w.duty.inflight++
	d.mu.Unlock()
	sink.stream = a
	if !w.open(a) {
		a.close()
		d.release(w, notDone, nil, nil)
		return 0, fmt.Errorf("the worker had ended")
	}
	<-sink.finished
	if sink.failure != nil {
		return 0, sink.failure
	}
	return sink.status, nil
}

// warmSink takes a response and drops it. Its fields may be read once finished is closed.
type warmSink struct {
	stream   protocol.Stream
	status   int
	failure  *protocol.Failure
	finished chan struct{}
}

func (s *warmSink) Begin(protocol.Stream)        {}
func (s *warmSink) Writable()                    {}
func (s *warmSink) Inform(*protocol.Inform)      {}
func (s *warmSink) Respond(m *protocol.Response) { s.status = m.Status }
func (s *warmSink) Data(m *protocol.Data)        { s.stream.Consumed(len(m.Bytes)) }
func (s *warmSink) Fail(f *protocol.Failure)     { s.failure = f }
func (s *warmSink) Finished()                    { close(s.finished) }
