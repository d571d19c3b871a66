// Warming up: requests that a worker has to answer between its READY and its first client.

package workers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Warmup is one of these requests, and what it has to be answered with.
type Warmup struct {
	Request *protocol.Request
	Status  int // 0 is any below 400
}

// warmups are those that a worker which starts now has to answer. In run.
func (g *generation) warmups() []Warmup {
	if g.checked && !g.isBooted() {
		return slices.Concat(g.settings.Warmup, g.settings.Checks)
	}
	return g.settings.Warmup
}

// accepts says whether a new worker that answers so may serve.
func (wu Warmup) accepts(status int) bool {
	return status == wu.Status || wu.Status == 0 && status < 400
}

// warmUp settles the boot of a worker that is READY. It ends with the last answer, or with the worker: start_timeout
// sees to that.
func (w *worker) warmUp() {
	for _, wu := range w.warmups {
		name := w.warms(wu.Request)
		began := time.Now()
		status, body, err := w.ask(wu.Request)
		switch {
		case err != nil:
			w.settleBoot(w.bootFailure(fmt.Sprintf("warm-up %s was not answered: %v", name, err)))
			return
		case !wu.accepts(status):
			w.settleBoot(w.bootFailure(wu.complaint(name, status, body)))
			return
		}
		w.log.Debug("warm-up answered", "request", name, "status", status, "took",
			time.Since(began).Round(time.Millisecond).String())
	}
	if !w.replay() {
		return
	}
	d := &w.pool.dispatch
	d.mu.Lock()
	w.duty.requests, w.duty.pace = 0, 0 // they were no client's, and slower than what comes
	d.mu.Unlock()
	w.settleBoot(nil)
}

// warms notes the request that comes next, and names it.
func (w *worker) warms(r *protocol.Request) (name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.link.warming = r.Method + " " + r.Target
	return w.link.warming
}

// replay has the worker answer what was asked for of late. It says false, and has settled the boot, if it can't.
func (w *worker) replay() bool {
	for i, r := range w.recent {
		if time.Since(w.started) > w.gen.settings.StartTimeout/2 {
			w.log.Info("the warm-up by recent requests took too long, and ends early", "asked", i, "of", len(w.recent))
			break
		}
		name := w.warms(r)
		if _, _, err := w.ask(r); err != nil {
			w.settleBoot(w.bootFailure(fmt.Sprintf("the recent request %s was not answered: %v", name, err)))
			return false
		}
	}
	return true
}

// complaint says what came in place of what was to come.
func (wu Warmup) complaint(name string, status int, body []byte) string {
	text := fmt.Sprintf("warm-up %s answered %d", name, status)
	if wu.Status != 0 {
		text += fmt.Sprintf(", not %d", wu.Status)
	}
	if said := strings.Join(strings.Fields(printable(string(body))), " "); said != "" {
		text += ": " + said
	}
	return text
}

// ask has the worker, which is in nobody else's hands, answer a request, and waits until all code for it has run. body
// is the beginning of the answer's.
func (w *worker) ask(r *protocol.Request) (status int, body []byte, err error) {
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
		return 0, nil, fmt.Errorf("the worker had ended")
	}
	<-sink.finished
	if sink.failure != nil {
		return 0, nil, sink.failure
	}
	return sink.status, sink.body, nil
}

// warmBody is how much of an answer's body a complaint shows.
const warmBody = 1024

// warmSink takes a response and drops all but its beginning. Its fields may be read once finished is closed.
type warmSink struct {
	stream   protocol.Stream
	status   int
	body     []byte
	failure  *protocol.Failure
	finished chan struct{}
}

func (s *warmSink) Begin(protocol.Stream)    {}
func (s *warmSink) Writable()                {}
func (s *warmSink) Inform(*protocol.Inform)  {}
func (s *warmSink) Fail(f *protocol.Failure) { s.failure = f }
func (s *warmSink) Finished()                { close(s.finished) }
func (s *warmSink) keep(b []byte)            { s.body = append(s.body, b[:min(len(b), warmBody-len(s.body))]...) }

func (s *warmSink) Respond(m *protocol.Response) {
	s.status = m.Status
	s.keep(m.Body)
}

func (s *warmSink) Data(m *protocol.Data) {
	s.keep(m.Bytes)
	s.stream.Consumed(len(m.Bytes))
}
