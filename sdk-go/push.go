// Pushes: tasks for the queues of host.toml (SPEC.md §18).

package sdk

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Pusher pushes tasks; [Tasks] gives it. Its methods are safe for concurrent use.
//
// What is pushed with the context of a request or an event takes effect when its handler returns (for an event: nil),
// all together with what it sends, and is on disk before the client gets the answer; if it can't be written down, the
// client gets a 502. A handler that panics, and that of an event that returns an error, has pushed nothing. With
// [Pusher.Now], with any other context, and after the handler, a task is on disk when the method returns.
//
// Errors of those are [*CallError]: NOT_FOUND if host.toml does not have the queue, UNAVAILABLE if nothing was pushed,
// DEADLINE_EXCEEDED if that is not known.
type Pusher struct {
	ctx context.Context
	l   *link
	s   *stream
	now bool
}

// PushOptions are how a task is pushed; the zero value is a task that may begin at once.
type PushOptions struct {
	Delay time.Duration // until it may begin, rounded up to milliseconds
	// ID has 1 to 128 bytes of UTF-8 without control characters: while the queue has a task of this ID that is neither
	// done nor failed, the push does nothing. "" has one be made.
	ID       string
	Key      string // of at most 1024 bytes: tasks of one key run one after the other, in order. "" is none
	Priority int    // 0 to 9: those of a higher one begin first, but for tasks with keys
}

// PushItem is one of several tasks that are pushed all together.
type PushItem struct {
	Queue   string // of host.toml
	Payload any    // as for [Pusher.Push]
	PushOptions
}

// ErrNoQueues says that host.toml has no queues, so that nothing can be pushed.
var ErrNoQueues = errors.New("sdk: the host has no queues: write [queue.NAME] into host.toml, and reload")

// TaskError is the error of a task that was waited for and lies with the failed ones; errors.As finds it.
type TaskError struct {
	Queue, ID string // ID is "" if the host has made it
	Reason    string // why, for a person to read
}

// Error gives the reason.
func (e *TaskError) Error() string {
	return fmt.Sprintf("sdk: the task of %s has failed for good: %s", e.Queue, e.Reason)
}

// Tasks gives what pushes tasks. ctx is that of a request, an event or a tick, or any other of a program that serves.
func Tasks(ctx context.Context) Pusher {
	h := Connections(ctx)
	return Pusher{ctx: ctx, l: h.l, s: h.s}
}

// Now pushes at once: a task is on disk when the method returns, whatever becomes of the handler.
func (p Pusher) Now() Pusher {
	p.now = true
	return p
}

// Push pushes a task, and gives its id. The payload is what MessagePack can have, of at most 1 MiB: PHP reads strings,
// numbers, booleans, nil, and slices, maps and structs of them.
func (p Pusher) Push(queue string, payload any, o PushOptions) (id string, err error) {
	ids, err := p.PushAll(PushItem{queue, payload, o})
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// PushAll pushes up to 1000 tasks, all of them or none, and gives their ids.
func (p Pusher) PushAll(items ...PushItem) (ids []string, err error) {
	all := make([]*protocol.Push, len(items))
	for i, item := range items {
		if all[i], err = p.push(item); err != nil {
			return nil, err
		}
		ids = append(ids, all[i].ID)
	}
	if len(all) == 0 {
		return nil, nil
	}
	if !p.now && p.s != nil {
		if staged, err := p.s.stagePushes(all); staged {
			return ids, err
		}
	}
	_, err = p.call(protocol.CallTasksPush, protocol.PushesArgument(all))
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// PushAndWait pushes a task at once, and waits until it is done, however many attempts that takes, or until the
// context ends; the task goes on then. into points to where what its handler gave to [Task.Return] is decoded; nil
// leaves it. [*TaskError] is the error if it lies with the failed ones.
//
// Whoever waits in a handler is busy meanwhile: in a pool of one worker with a concurrency of one it waits in vain.
func (p Pusher) PushAndWait(queue string, payload, into any, o PushOptions) error {
	m, err := p.push(PushItem{queue, payload, o})
	if err != nil {
		return err
	}
	v, err := p.call(protocol.CallTasksWait, m.Element())
	if err != nil {
		return err
	}
	how, value, reason, err := protocol.ParseTaskEnd(v)
	if err != nil {
		return fmt.Errorf("sdk: %w", err)
	}
	if how != protocol.TaskDone {
		return &TaskError{queue, o.ID, reason}
	}
	if into == nil {
		return nil
	}
	return answered(protocol.CallTasksWait, value, into)
}

// push makes and checks one.
func (p Pusher) push(i PushItem) (*protocol.Push, error) {
	switch {
	case p.l == nil:
		return nil, ErrNoHost
	case !slices.Contains(p.l.offers, protocol.FeatureTasks):
		return nil, ErrNoQueues
	case i.Delay < 0:
		return nil, fmt.Errorf("sdk: a task's delay is 0 or more, not %v", i.Delay)
	}
	v, err := protocol.NewValue(i.Payload)
	if err != nil {
		return nil, fmt.Errorf("sdk: %w", err)
	}
	m := &protocol.Push{Queue: i.Queue, Payload: v, ID: i.ID, Delay: lifetime(i.Delay), Key: i.Key,
		Priority: i.Priority}
	if m.ID == "" {
		b := make([]byte, 12)
		rand.Read(b)
		m.ID = hex.EncodeToString(b)
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("sdk: %w", err)
	}
	return m, nil
}

func (p Pusher) call(method string, argument protocol.Value) (protocol.Value, error) {
	v, err := question(p.ctx, method, []protocol.Value{argument})
	if errors.Is(err, ErrTooLong) {
		return nil, fmt.Errorf("sdk: these tasks have %d bytes, more than a frame: push fewer of them at a time",
			len(argument))
	}
	return v, err
}

// stagePushes has tasks be pushed when the handler returns: all of them, or, with an error, none. staged is false if
// there is no handler any more.
func (s *stream) stagePushes(all []*protocol.Push) (staged bool, err error) {
	a := &s.acts
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return false, nil
	}
	before := a.mark()
	for _, m := range all {
		err := s.stageLocked(0, func(stream uint32, _ protocol.Flags, _ bool) (protocol.Message, error) {
			m.Stream = stream
			return m, nil
		})
		if err != nil {
			a.rollback(before)
			return true, err
		}
	}
	return true, nil
}
