// task.go: a task at hand: it is with a worker, or waits for one.

package tasks

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// task implements [protocol.Sink] and [protocol.Subject].
type task struct {
	queue    *queue
	settings *Queue
	message  jetstream.Msg
	place    string
	wire     protocol.Task
	taken    time.Time

	mu sync.Mutex
	// guarded by mu
	ticket   protocol.Ticket
	back     bool // it is to be given back
	begun    time.Time
	slot     int
	gen      uint64
	settle   *protocol.Settle
	progress protocol.Value
	failure  *protocol.Failure
	unkept   error // why what it asked for could not be carried out
}

// hand hands a task to the pool.
func (q *queue) hand(s *Queue, p place, m jetstream.Msg) {
	t := &task{queue: q, settings: s, message: m, place: p.name, taken: time.Now()}
	garbled, err := t.read()
	if err != nil {
		q.room.Log.Error("a message is no task, and is dropped", "queue", s.Name, "subject", m.Subject(), "error", err)
		m.Term()
		return
	}
	r := q.room
	r.mu.Lock()
	r.hands[t] = true
	ending := r.ending
	r.mu.Unlock()
	q.running.Add(1)
	switch {
	case ending:
		r.spawn(func() { t.end(verdict{how: returned}) })
		return
	case garbled != "": // by another program, whose task is for people to look at
		r.spawn(func() { t.end(verdict{how: buried, reason: garbled}) })
		return
	}
	ticket := s.Backend.Submit(&protocol.Exchange{Request: &t.wire, Behind: true, Timeout: s.Timeout, Subject: t,
		Sink: t})
	t.mu.Lock()
	t.ticket = ticket
	back := t.back && t.begun.IsZero()
	t.mu.Unlock()
	if back {
		ticket.Cancel(protocol.ResetCancelled)
	}
}

// read makes of the message what a worker gets. garbled says why it can't have it.
func (t *task) read() (garbled string, err error) {
	meta, err := t.message.Metadata()
	if err != nil {
		return "", err
	}
	parts := strings.Split(t.message.Subject(), ".") // tasks, realm, live, queue, id, ready, place
	if len(parts) != 7 {
		return "", fmt.Errorf("the subject has %d parts, and a task's has 7", len(parts))
	}
	id, ok := engine.Name(parts[4])
	if !ok {
		return "", fmt.Errorf("%q is no id", parts[4])
	}
	h := t.message.Headers()
	pushed, _ := strconv.ParseInt(h.Get(headerPushed), 10, 64)
	if pushed <= 0 { // by another program, which need not say so
		pushed = meta.Timestamp.UnixMilli()
	}
	key, _ := engine.Name(h.Get(headerKey))
	t.wire = protocol.Task{Queue: t.settings.Name, ID: id, Attempt: int(meta.NumDelivered), Pushed: pushed, Key: key,
		Priority: priority(t.place), Most: t.settings.Attempts}
	if t.wire.Payload, err = protocol.CheckValue(t.message.Data()); err != nil {
		return "its payload is no MessagePack: " + err.Error(), nil
	}
	as := protocol.Push{Queue: t.settings.Name, ID: id, Payload: t.wire.Payload, Key: key}
	if err := as.Check(); err != nil {
		return err.Error(), nil
	}
	return "", nil
}

// ConnectionID implements [protocol.Subject]: it is of none.
func (t *task) ConnectionID() string { return "" }

// Begin implements [protocol.Sink].
func (t *task) Begin(s protocol.Stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = time.Now()
	t.slot, t.gen = s.Worker()
	t.settle, t.failure, t.unkept = nil, nil, nil
}

// Writable implements [protocol.Sink].
func (t *task) Writable() {}

// Inform implements [protocol.Sink].
func (t *task) Inform(*protocol.Inform) {}

// Respond implements [protocol.Sink].
func (t *task) Respond(*protocol.Response) {}

// Data implements [protocol.Sink].
func (t *task) Data(*protocol.Data) {}

// Fail implements [protocol.Sink].
func (t *task) Fail(err *protocol.Failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failure = &protocol.Failure{Kind: err.Kind, Detail: err.Detail}
}

// Finished implements [protocol.Sink].
func (t *task) Finished() {
	t.mu.Lock()
	v := outcome(facts{settle: t.settle, failure: t.failure, unkept: t.unkept, attempt: t.wire.Attempt,
		most: t.settings.Attempts})
	t.mu.Unlock()
	t.queue.room.spawn(func() { t.end(v) }) // ends when the engine has it, in bounded time
}

// commits notes whether what the task asked for is in effect.
func (t *task) commits(acts []protocol.Act, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.unkept = err
		return
	}
	for _, act := range acts {
		switch m := act.(type) {
		case *protocol.Settle:
			t.settle = m
		case *protocol.Progress:
			t.progress = m.Value
		}
	}
}

// giveBack has tasks that no worker has begun come back to the engine.
func (r *Room) giveBack() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t := range r.hands {
		t.mu.Lock()
		ticket := t.ticket
		t.back = true
		waits := t.begun.IsZero()
		t.mu.Unlock()
		if ticket != nil && waits {
			go ticket.Cancel(protocol.ResetDrained) // it calls back
		}
	}
}
