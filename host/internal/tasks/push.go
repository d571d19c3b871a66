// push.go: tasks on their way into the engine.

package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// errCrowded is for who pushes while too many others wait.
var errCrowded = fmt.Errorf("%w: %d pushes wait for it already", engine.ErrUnavailable, mostCommits)

// Push writes tasks down, all of them or none, and gives their ids. Those whose id a task of their queue has are left
// out. It waits for the engine, for [engine.Patience] at most. reply is where their ends are told; "" is nowhere.
func (r *Room) Push(ctx context.Context, all []*protocol.Push, reply string) (ids []string, err error) {
	ids, _, err = r.push(ctx, all, reply)
	return ids, err
}

// push is Push that says how many were written, and not there before.
func (r *Room) push(ctx context.Context, all []*protocol.Push, reply string) (ids []string, written int, err error) {
	if len(all) > protocol.MaxPushes {
		return nil, 0, fmt.Errorf("%d tasks are pushed at once: at most %d are possible", len(all), protocol.MaxPushes)
	}
	seen := map[string]bool{}
	var each []*pushed
	for _, m := range all {
		if err := m.Check(); err != nil {
			return nil, 0, err
		}
		if r.find(m.Queue) == nil {
			return nil, 0, &errUnknown{m.Queue}
		}
		id := m.ID
		if id == "" {
			id = newID()
		}
		ids = append(ids, id)
		if at := m.Queue + "\n" + id; !seen[at] {
			seen[at] = true
			each = append(each, &pushed{Push: m, id: engine.Token(id), place: placeOf(m), once: newID()})
		}
	}
	select {
	case r.gate <- struct{}{}:
		defer func() { <-r.gate }()
	default:
		return nil, 0, errCrowded
	}
	now := time.Now()
	err = r.Engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		written, err = r.write(ctx, js, each, reply, now)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	for queue := range queuesOf(each) {
		r.ring(ctx, queue, false)
	}
	return ids, written, nil
}

// Offer pushes one task, and says whether it did: not if its queue has one of its id already.
func (r *Room) Offer(ctx context.Context, m *protocol.Push) (pushed bool, err error) {
	_, written, err := r.push(ctx, []*protocol.Push{m}, "")
	if written > 0 {
		r.count([]*protocol.Push{m})
	}
	return written > 0, err
}

func queuesOf(all []*pushed) map[string]bool {
	queues := map[string]bool{}
	for _, m := range all {
		queues[m.Queue] = true
	}
	return queues
}

// pushed is a task that is to be written.
type pushed struct {
	*protocol.Push
	id, place string // as the engine has them
	once      string // what the engine knows a repetition by
}

// write may be repeated: what is there already it leaves, and what was there a moment ago and is done by now as well.
// It says how many it has written.
func (r *Room) write(ctx context.Context, js jetstream.JetStream, all []*pushed, reply string,
	now time.Time) (written int, err error) {
	for _, m := range all {
		if err := r.place(ctx, js, m.Queue, m.place); err != nil {
			return 0, err
		}
	}
	for range 4 { // others may push the same ids at this moment
		err := r.batch(ctx, js, all, reply, now)
		var api *jetstream.APIError
		switch is := errors.As(err, &api); {
		case is && api.ErrorCode == repeatedInBatch:
			return len(all), nil
		case !is || !sequenceIsWrong(api):
			r.forget(err)
			return len(all), err
		}
		stream, err := js.Stream(ctx, r.names.stream)
		if err != nil {
			return 0, err
		}
		left := all[:0:0]
		for _, m := range all {
			_, err := stream.GetLastMsgForSubject(ctx, r.names.live(m.Queue, m.id, "*", "*"))
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				left = append(left, m)
			} else if err != nil {
				return 0, err
			}
		}
		if all = left; len(all) == 0 {
			return 0, nil
		}
	}
	return 0, fmt.Errorf("%w: others push tasks of the same ids all the time", engine.ErrUnavailable)
}

// repeatedInBatch is the engine's word for a batch that it has written before, and whose answer was lost.
const repeatedInBatch = 10201

// sequenceIsWrong says that there is a message where none was to be.
func sequenceIsWrong(e *jetstream.APIError) bool {
	const perSubject, constant = 10071, 10164
	return e.ErrorCode == perSubject || e.ErrorCode == constant
}

// batch writes messages in one piece.
func (r *Room) batch(ctx context.Context, js jetstream.JetStream, all []*pushed, reply string, now time.Time) error {
	messages := make([]*nats.Msg, len(all))
	for i, m := range all {
		messages[i] = r.messageOf(m, reply, now)
	}
	return r.writeAll(ctx, js, messages)
}

// writeAll writes messages to the stream, all of them or none.
func (r *Room) writeAll(ctx context.Context, js jetstream.JetStream, all []*nats.Msg) error {
	if len(all) == 1 {
		_, err := js.PublishMsg(ctx, all[0], jetstream.WithExpectStream(r.names.stream),
			jetstream.WithRetryAttempts(0))
		return err
	}
	conn, id := js.Conn(), newID()
	last := len(all) - 1
	for i, m := range all {
		m.Header.Set("Nats-Batch-Id", id)
		m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		if i < last {
			if err := conn.PublishMsg(m); err != nil {
				return err
			}
			continue
		}
		m.Header.Set("Nats-Batch-Commit", "1")
		answer, err := conn.RequestMsgWithContext(ctx, m)
		if err != nil {
			return err
		}
		var ack struct {
			Error *jetstream.APIError `json:"error"`
			Batch string              `json:"batch"`
		}
		switch err := json.Unmarshal(answer.Data, &ack); {
		case err != nil:
			return fmt.Errorf("the engine's answer to a batch can't be read: %w", err)
		case ack.Error != nil:
			return ack.Error
		case ack.Batch != id:
			return errors.New("the engine does not know batches: it has to be NATS 2.14 or newer")
		}
	}
	return nil
}

// messageOf is a task as the engine has it.
func (r *Room) messageOf(m *pushed, reply string, now time.Time) *nats.Msg {
	ready := r.names.live(m.Queue, m.id, "ready", m.place)
	out := nats.NewMsg(ready)
	out.Data = m.Payload
	if len(out.Data) == 0 {
		out.Data = []byte{0xc0} // nil
	}
	h := out.Header
	h.Set(headerPushed, strconv.FormatInt(now.UnixMilli(), 10))
	if m.Key != "" {
		h.Set(headerKey, engine.Token(m.Key))
	}
	if reply != "" {
		h.Set(headerReply, reply)
	}
	h.Set(jetstream.MsgIDHeader, m.once)
	h.Set("Nats-Expected-Last-Subject-Sequence", "0")
	h.Set("Nats-Expected-Last-Subject-Sequence-Subject", r.names.live(m.Queue, m.id, "*", "*"))
	if m.Delay > 0 {
		due := now.Add(time.Duration(m.Delay) * time.Millisecond)
		out.Subject = r.names.live(m.Queue, m.id, "later", m.place)
		h.Set("Nats-Schedule", "@at "+due.UTC().Format(time.RFC3339Nano))
		h.Set("Nats-Schedule-Target", ready)
	}
	return out
}
