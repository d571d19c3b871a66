// desk.go: what workers ask: acts on their way to the hub, and calls (SPEC.md §18).

package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// Prefix is what stands before the dot of the methods.
const Prefix = "tasks"

// Hub has the room carry out acts of tasks, before the hub does the others.
func (r *Room) Hub(of protocol.Hub) protocol.Hub { return &desk{of, r} }

// desk stands before a hub.
type desk struct {
	protocol.Hub
	room *Room
}

// mostProgress bounds what PROGRESS says, in bytes.
const mostProgress = 4 << 10

// Commit implements [protocol.Hub].
func (d *desk) Commit(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	own, _ := subject.(*task)
	if own != nil {
		inner := done
		done = func(err error) { own.commits(acts, err); inner(err) }
	}
	var pushes []*protocol.Push
	others := 0
	for _, act := range acts {
		switch m := act.(type) {
		case *protocol.Push:
			pushes = append(pushes, m)
		case *protocol.Settle, *protocol.Progress:
			if err := check(own, act); err != nil {
				done(err)
				return
			}
		default:
			others++
		}
	}
	if others == len(acts) {
		d.Hub.Commit(subject, acts, done)
		return
	}
	rest := acts
	if others < len(acts) {
		rest = make([]protocol.Act, 0, others)
		for _, act := range acts {
			if t := act.Type(); t != protocol.TypePush && t != protocol.TypeSettle && t != protocol.TypeProgress {
				rest = append(rest, act)
			}
		}
	}
	if len(pushes) == 0 {
		d.others(subject, rest, done)
		return
	}
	go func() { // ends within engine.Patience, and what the hub takes
		if _, err := d.room.Push(context.Background(), pushes, ""); err != nil {
			done(fmt.Errorf("%w: %w", protocol.ErrUnavailable, err)) // no answer tells of what was not pushed
			return
		}
		d.room.count(pushes)
		d.others(subject, rest, done)
	}()
}

func (d *desk) others(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	if len(acts) == 0 {
		done(nil)
		return
	}
	d.Hub.Commit(subject, acts, done)
}

// check finds what is wrong with an act about the task at hand.
func check(own *task, act protocol.Act) error {
	size, most := 0, protocol.MaxPayload
	switch m := act.(type) {
	case *protocol.Settle:
		size = len(m.Value)
	case *protocol.Progress:
		size, most = len(m.Value), mostProgress
	}
	switch {
	case own == nil:
		return fmt.Errorf("%s: it is about the task at hand, and this was none", act.Type())
	case size > most:
		return fmt.Errorf("%s: its value has %d bytes: at most %d are possible", act.Type(), size, most)
	}
	return nil
}

// Desk answers calls.
func (r *Room) Desk() protocol.Answerer { return answerer{r} }

type answerer struct{ room *Room }

// Call implements [protocol.Answerer].
func (a answerer) Call(m *protocol.Call, to protocol.Caller) {
	switch m.Method {
	case protocol.CallTasksPush:
		all, err := protocol.ParsePushes(m.Arguments)
		if err != nil {
			refuse(to, err)
			return
		}
		go a.push(all, to) // ends within engine.Patience
	case protocol.CallTasksWait:
		push, err := protocol.ParsePush(m.Arguments)
		if err != nil {
			refuse(to, err)
			return
		}
		go a.wait(push, to) // ends with the call at the latest
	default:
		protocol.UnknownMethod(m, to)
	}
}

// refuse answers a call that makes no sense.
func refuse(to protocol.Caller, err error) {
	code := protocol.CallInvalidArgument
	var large *protocol.TooLarge
	if errors.As(err, &large) {
		code = protocol.CallTooLarge
	}
	to.Fail(code, "%v", err)
}

func (a answerer) push(all []*protocol.Push, to protocol.Caller) {
	ids, err := a.room.Push(to.Context(), all, "")
	if err != nil {
		a.fail(to, err)
		return
	}
	a.room.count(all)
	value, err := protocol.NewValue(append([]string{}, ids...))
	if err != nil {
		to.Fail(protocol.CallInternal, "%v", err)
		return
	}
	to.Reply(&protocol.Result{Value: value})
}

// fail says why nothing was pushed.
func (a answerer) fail(to protocol.Caller, err error) {
	var unknown *errUnknown
	switch {
	case errors.As(err, &unknown):
		to.Fail(protocol.CallNotFound, "%v", err)
	case errors.Is(err, errCrowded):
		to.Fail(protocol.CallUnavailable, "%v", err)
	case errors.Is(err, engine.ErrUnavailable), engine.Away(err), errors.Is(err, context.Canceled):
		to.Fail(protocol.CallDeadlineExceeded, "%v", err) // one of the tries may have come through
	default:
		var api *jetstream.APIError
		if errors.As(err, &api) {
			to.Fail(protocol.CallUnavailable, "the engine takes no task: %v", err)
			return
		}
		refuse(to, err)
	}
}

// wait pushes a task, and answers with its end.
func (a answerer) wait(m *protocol.Push, to protocol.Caller) {
	r := a.room
	conn, err := r.Engine.Conn(to.Context())
	if err != nil {
		to.Fail(protocol.CallUnavailable, "%v", err)
		return
	}
	inbox := nats.NewInbox()
	ends := make(chan *nats.Msg, 1)
	heard, err := conn.ChanSubscribe(inbox, ends)
	if err != nil {
		to.Fail(protocol.CallUnavailable, "%v", err)
		return
	}
	defer heard.Unsubscribe()
	ids, err := r.Push(to.Context(), []*protocol.Push{m}, inbox)
	if err != nil {
		a.fail(to, err)
		return
	}
	r.count([]*protocol.Push{m})
	tick := time.NewTicker(engine.Patience)
	defer tick.Stop()
	for gone := false; ; {
		select {
		case end := <-ends:
			value, err := protocol.CheckValue(end.Data)
			if err != nil {
				to.Fail(protocol.CallInternal, "the task's end can't be read: %v", err)
				return
			}
			to.Reply(&protocol.Result{Value: value})
			return
		case <-to.Context().Done():
			to.Reply(&protocol.Result{}) // it has had its answer
			return
		case <-r.closed.Done():
			to.Fail(protocol.CallDeadlineExceeded, "the host ends")
			return
		case <-tick.C:
			if gone { // its end was told while nobody could hear it, or it was another's, of the same id
				to.Fail(protocol.CallInternal, "the task %s is over, and how it ended was not heard", ids[0])
				return
			}
			there, err := r.lives(to.Context(), m.Queue, ids[0])
			gone = err == nil && !there
		}
	}
}

// lives says whether a task is neither done nor failed.
func (r *Room) lives(ctx context.Context, queue, id string) (there bool, err error) {
	err = r.Engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, r.names.stream)
		if err != nil {
			return err
		}
		_, err = stream.GetLastMsgForSubject(ctx, r.names.live(queue, engine.Token(id), "*", "*"))
		there = err == nil
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		return err
	})
	return there, err
}

// count notes what was pushed.
func (r *Room) count(all []*protocol.Push) {
	for _, m := range all {
		if q := r.find(m.Queue); q != nil {
			q.counted.pushes.Add(1)
		}
	}
}

// resultOf is what tasks.wait answers.
func resultOf(how protocol.Settlement, value protocol.Value, reason string) (protocol.Value, error) {
	number, err := protocol.NewValue(int(how))
	if err != nil {
		return nil, err
	}
	text, err := protocol.NewValue(reason)
	if err != nil {
		return nil, err
	}
	return protocol.ListOf(number, value, text), nil
}
