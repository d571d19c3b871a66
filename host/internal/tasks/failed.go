// failed.go: tasks that have failed, and what people do with them.

package tasks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// How much is kept of why a task has failed, in bytes. A message's headers have 64 KiB.
const (
	mostReason = 4 << 10
	mostTrace  = 16 << 10
)

// bury puts a task with the failed ones. It may be repeated.
func (r *Room) bury(ctx context.Context, js jetstream.JetStream, t *task, v verdict) error {
	out := nats.NewMsg(r.names.failed(t.settings.Name, engine.Token(t.wire.ID)))
	out.Data = t.message.Data()
	h := out.Header
	for _, name := range []string{headerPushed, headerKey, headerReply} {
		if value := t.message.Headers().Get(name); value != "" {
			h.Set(name, value)
		}
	}
	h.Set(headerReason, quoted(v.reason, mostReason))
	h.Set(headerTrace, quoted(v.trace, mostTrace))
	h.Set(headerAttempts, strconv.Itoa(t.wire.Attempt))
	h.Set(headerFailed, strconv.FormatInt(time.Now().UnixMilli(), 10))
	h.Set(headerPlace, t.place)
	if keep := t.settings.KeepFailed; keep > 0 {
		h.Set("Nats-TTL", max(keep, time.Second).Truncate(time.Second).String())
	}
	_, err := js.PublishMsg(ctx, out, jetstream.WithExpectStream(r.names.stream), jetstream.WithRetryAttempts(0))
	return err
}

// quoted is text as a header can have it.
func quoted(text string, most int) string {
	text = strconv.QuoteToASCII(text)
	if len(text) <= most {
		return text
	}
	for cut := most - 8; ; cut-- { // not in the midst of an escape, which has ten bytes at most
		short := text[:cut] + `\u2026"`
		if _, err := strconv.Unquote(short); err == nil {
			return short
		}
	}
}

func unquoted(text string) string {
	if plain, err := strconv.Unquote(text); err == nil {
		return plain
	}
	return text
}

// Failed is a task that has failed.
type Failed struct {
	Queue, ID      string
	Pushed, Failed time.Time
	Attempts       int
	Key            string
	Priority       int
	Bytes          int
	Reason, Trace  string
	Payload        protocol.Value // nil where many are listed

	place    string
	sequence uint64
	garbled  error // its payload is no MessagePack
}

// failedOf reads a message.
func failedOf(queue string, m *jetstream.RawStreamMsg) *Failed {
	h := m.Header
	number := func(name string) int64 { n, _ := strconv.ParseInt(h.Get(name), 10, 64); return n }
	f := &Failed{Queue: queue, Pushed: time.UnixMilli(number(headerPushed)), Attempts: int(number(headerAttempts)),
		Failed: time.UnixMilli(number(headerFailed)), Bytes: len(m.Data), Reason: unquoted(h.Get(headerReason)),
		Trace: unquoted(h.Get(headerTrace)), place: h.Get(headerPlace), sequence: m.Sequence}
	f.ID, _ = engine.Name(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:])
	f.Key, _ = engine.Name(h.Get(headerKey))
	f.Priority = priority(f.place)
	f.Payload, f.garbled = protocol.CheckValue(m.Data)
	return f
}

// ErrNoTask is for a task that is not there.
var ErrNoTask = errors.New("there is no such task")

// inStream has do ask the engine's stream of the realm.
func (r *Room) inStream(ctx context.Context, do func(context.Context, jetstream.Stream) error) error {
	return r.Engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, r.names.stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			if err = r.stand(ctx, js); err == nil {
				stream, err = js.Stream(ctx, r.names.stream)
			}
		}
		if err != nil {
			return err
		}
		return do(ctx, stream)
	})
}

// Failed are the latest of a queue's tasks that have failed, at most so many, without their payloads; sum is how many
// there are.
func (r *Room) Failed(ctx context.Context, queue string, most int) (all []*Failed, sum int, err error) {
	w, err := r.walk(ctx, queue)
	if err != nil {
		return nil, 0, err
	}
	err = r.Engine.Again(ctx, func(ctx context.Context, _ jetstream.JetStream) error {
		sum, err = r.tally(ctx, w.stream, nil, queue, tallyFailed)
		return err
	})
	if err != nil || most <= 0 {
		return nil, sum, err
	}
	first, err := w.next(ctx, 1)
	if err == nil {
		_, err = w.back(ctx, first, w.end, func(m *jetstream.RawStreamMsg) bool {
			f := failedOf(queue, m)
			f.Payload = nil
			all = append(all, f)
			return len(all) < most
		})
	}
	return all, sum, err
}

// Show gives one that has failed; the error is ErrNoTask if there is none.
func (r *Room) Show(ctx context.Context, queue, id string) (f *Failed, err error) {
	if r.find(queue) == nil {
		return nil, &errUnknown{queue}
	}
	err = r.inStream(ctx, func(ctx context.Context, stream jetstream.Stream) error {
		m, err := stream.GetLastMsgForSubject(ctx, r.names.failed(queue, engine.Token(id)))
		if err == nil {
			f = failedOf(queue, m)
		}
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = fmt.Errorf("%w: %s has none with the id %q that has failed", ErrNoTask, queue, id)
	}
	return f, err
}

// ErrLives is for a task that can't be tried anew, since another one of its id waits or is under way.
var ErrLives = errors.New("another task of this id waits, or is under way")

// Retry has tasks that have failed be tried anew, with all of their attempts: one, or all with the id "". It says how
// many. Of all, those are left that can't be.
func (r *Room) Retry(ctx context.Context, queue, id string) (n int, err error) {
	return r.each(ctx, queue, id, func(f *Failed) error {
		if f.garbled != nil {
			return fmt.Errorf("the payload of the task %s can't be read, so that it can only be deleted: %w", f.ID,
				f.garbled)
		}
		push := &protocol.Push{Queue: queue, ID: f.ID, Payload: f.Payload, Key: f.Key, Priority: f.Priority}
		_, written, err := r.push(ctx, []*protocol.Push{push}, "")
		if err == nil && written == 0 {
			return fmt.Errorf("%w: %s of %s has to be over first", ErrLives, f.ID, queue)
		}
		return err
	})
}

// Delete drops tasks that have failed: one, or all with the id "". It says how many.
func (r *Room) Delete(ctx context.Context, queue, id string) (n int, err error) {
	return r.each(ctx, queue, id, func(*Failed) error { return nil })
}

// each does something with failed ones, and drops them then: with one, or with all that lie there now, the oldest
// first. Those that fail meanwhile, such as one that was just tried anew, are left.
func (r *Room) each(ctx context.Context, queue, id string, do func(*Failed) error) (n int, err error) {
	w, err := r.walk(ctx, queue)
	if err != nil {
		return 0, err
	}
	if id != "" {
		f, err := r.Show(ctx, queue, id)
		if err == nil {
			err = do(f)
		}
		if err == nil {
			err = w.drop(ctx, f.sequence)
		}
		if err != nil {
			return 0, err
		}
		return 1, nil
	}
	for at := uint64(1); ; {
		m, err := w.next(ctx, at)
		if err != nil || m == nil || m.Sequence > w.end {
			return n, err
		}
		at = m.Sequence + 1
		f := failedOf(queue, m)
		if err := do(f); errors.Is(err, ErrLives) || err != nil && f.garbled != nil {
			continue
		} else if err != nil {
			return n, err
		}
		if err := w.drop(ctx, f.sequence); err != nil {
			return n, err
		}
		n++
	}
}

// Purge drops all tasks of a queue that wait, whether they may begin or not, and says how many. Those under way go on,
// and those that have failed stay.
func (r *Room) Purge(ctx context.Context, queue string) (n int, err error) {
	if r.find(queue) == nil {
		return 0, &errUnknown{queue}
	}
	err = r.inStream(ctx, func(ctx context.Context, stream jetstream.Stream) error {
		before, err := stream.Info(ctx)
		if err != nil {
			return err
		}
		if err = stream.Purge(ctx, jetstream.WithPurgeSubject(r.names.live(queue, "*", "*", "*"))); err != nil {
			return err
		}
		after, err := stream.Info(ctx)
		if err == nil {
			n = max(0, int(before.State.Msgs)-int(after.State.Msgs))
		}
		return err
	})
	return n, err
}

// Pause has no task of a queue begin until Resume: on this host from its return on, on others a moment later.
func (r *Room) Pause(ctx context.Context, queue string) error {
	q := r.find(queue)
	if q == nil {
		return &errUnknown{queue}
	}
	err := r.inStream(ctx, func(context.Context, jetstream.Stream) error { return nil })
	if err == nil {
		err = r.Engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.Publish(ctx, r.names.paused(queue), []byte{0xc3}, jetstream.WithRetryAttempts(0))
			return err
		})
	}
	if err == nil {
		r.ring(ctx, queue, true)
		r.noticed(ctx, q)
	}
	return err
}

// Resume ends a pause.
func (r *Room) Resume(ctx context.Context, queue string) error {
	q := r.find(queue)
	if q == nil {
		return &errUnknown{queue}
	}
	err := r.inStream(ctx, func(ctx context.Context, stream jetstream.Stream) error {
		return stream.Purge(ctx, jetstream.WithPurgeSubject(r.names.paused(queue)))
	})
	if err == nil {
		r.ring(ctx, queue, true)
		r.noticed(ctx, q)
	}
	return err
}

// noticed waits for q to look anew, if tasks are taken at all, and for no longer than the engine is.
func (r *Room) noticed(ctx context.Context, q *queue) {
	r.mu.Lock()
	started := r.started
	r.mu.Unlock()
	if !started {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, engine.Patience)
	defer cancel()
	q.notice(ctx)
}
