// Task: work that is no request, in the hands of its handler: from TASK to DONE (SPEC.md §18.3).

package sdk

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// ErrTaskOver says that a task's handler has returned, or its host has given the task up.
var ErrTaskOver = errors.New("sdk: the task is over: its handler has returned")

const (
	maxProgress = 4 << 10  // bytes of PROGRESS (§18.3)
	maxTrace    = 64 << 10 // bytes of a stack that are sent
)

// Task is a task in the hands of its handler, [Worker].OnTask. What it does is best done once by its ID, since it may
// come again: when its worker or its host has died before its end was written down. Its methods are safe for
// concurrent use.
type Task struct {
	Queue    string
	ID       string    // the queue has no other one with it
	Attempt  int       // how often it was given out, from 1, this time included
	Attempts int       // how many its queue gives it: with the last one that fails it lies with the failed ones
	Pushed   time.Time // when
	Key      string
	Priority int

	s       *stream
	payload protocol.Value
	settle  *protocol.Settle // what becomes of it; nil: done, without a result. s.acts.mu guards it
}

// Payload decodes what was pushed into what into points to; nil leaves that as it is. It fails if that has another
// type.
func (t *Task) Payload(into any) error {
	if err := t.payload.DecodeInto(into); err != nil {
		return fmt.Errorf("sdk: the payload of the task %s of %s: %w", t.ID, t.Queue, err)
	}
	return nil
}

// Progress says how far it is, and that it goes on: the time that its queue gives it (timeout) begins anew. It does so
// at once, whatever becomes of the handler. value is what MessagePack can have, of at most 4 KiB.
func (t *Task) Progress(value any) error {
	v, err := protocol.NewValue(value)
	if err != nil {
		return fmt.Errorf("sdk: %w", err)
	}
	if len(v) > maxProgress {
		return fmt.Errorf("sdk: what Progress says has %d bytes: at most %d are possible", len(v), maxProgress)
	}
	return t.s.link.ask(t.s, protocol.FlagNow, func(stream uint32, now protocol.Flags,
		live bool) (protocol.Message, error) {
		if !live {
			return nil, ErrTaskOver
		}
		return &protocol.Progress{Stream: stream, Flags: now, Value: v}, nil
	})
}

// Release has it come again, once the handler has returned nil, after a delay and as another attempt. That is no
// failure, whatever the number.
func (t *Task) Release(delay time.Duration) {
	t.becomes(&protocol.Settle{How: protocol.TaskReleased, Delay: max(0, lifetime(max(0, delay)))})
}

// Fail has it lie with the failed ones, once the handler has returned, without further attempts. reason is for a
// person to read. What the handler has pushed and sent takes effect nevertheless if it returns nil; an error in place
// of that is a failure, too, which takes the reason's place.
func (t *Task) Fail(reason string) {
	t.becomes(&protocol.Settle{How: protocol.TaskGivenUp, Reason: brief(reason)})
}

// Return has whoever waits for the task ([Pusher.PushAndWait]) get value, once the handler has returned nil: what
// MessagePack can have, of at most 1 MiB. Without it they get nil.
func (t *Task) Return(value any) error {
	v, err := protocol.NewValue(value)
	if err != nil {
		return fmt.Errorf("sdk: %w", err)
	}
	if len(v) > protocol.MaxPayload {
		return fmt.Errorf("sdk: the task's result has %d bytes: at most %d are possible", len(v), protocol.MaxPayload)
	}
	t.becomes(&protocol.Settle{How: protocol.TaskDone, Value: v})
	return nil
}

// becomes is called by a handler; the last one counts.
func (t *Task) becomes(m *protocol.Settle) {
	t.s.acts.mu.Lock()
	defer t.s.acts.mu.Unlock()
	t.settle = m
}

// task handles a TASK.
func (s *stream) runTask(m *protocol.Task) error {
	s.task = &Task{Queue: m.Queue, ID: m.ID, Attempt: m.Attempt, Attempts: m.Most, Pushed: time.UnixMilli(m.Pushed),
		Key: m.Key, Priority: m.Priority, s: s, payload: m.Payload}
	return guard(func() error { return s.link.events.OnTask[m.Queue](&s.ctx, s.task) })
}

// stageSettle has what the handler wants to become of its task be the last of its acts. Under acts.mu.
func (s *stream) stageSettle() error {
	if s.task == nil || s.task.settle == nil {
		return nil
	}
	return s.stageLocked(0, func(stream uint32, _ protocol.Flags, _ bool) (protocol.Message, error) {
		m := *s.task.settle
		m.Stream = stream
		return &m, nil
	})
}

// taskFailed is SETTLE of a task whose handler has failed, to go before RESET; nothing for what is no task.
func (s *stream) taskFailed(failure error) []byte {
	if s.task == nil {
		return nil
	}
	s.acts.mu.Lock()
	defer s.acts.mu.Unlock()
	m := &protocol.Settle{Stream: s.id, Flags: protocol.FlagNow, How: protocol.TaskFailed,
		Reason: brief(failure.Error())}
	if was := s.task.settle; was != nil && was.How == protocol.TaskGivenUp {
		m.How = protocol.TaskGivenUp
	}
	var c *crash
	if errors.As(failure, &c) {
		m.Trace = strings.ToValidUTF8(c.stack[:min(len(c.stack), maxTrace)], "")
	}
	return m.AppendFrame(nil)
}

// queues are those of whose tasks there is a handler, for READY.
func (w *Worker) queues() []string { return slices.Sorted(maps.Keys(w.OnTask)) }

// declines says why an event is refused; "" if it is not.
func (w *Worker) declines(m protocol.Opening) string {
	if t, is := m.(*protocol.Task); is && w.OnTask[t.Queue] == nil {
		return "no OnTask here is for the queue " + t.Queue
	}
	return ""
}
