// end.go: an attempt's end is told: to the engine, to whoever waits, and to the log.

package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/protocol"
)

// Record is an attempt that is over, for logs.
type Record struct {
	Realm, Queue, Pool, ID string
	Attempt, Most          int
	End                    string        // done, released, retry, returned, failed
	Waited                 time.Duration // from the push, or the end of its delay, to this attempt
	Took                   time.Duration // with the worker
	Pause                  time.Duration // until it comes again
	Slot                   int
	Generation             uint64
	Bytes                  int // of the payload
	Reason, Trace          string
}

// mostWait is how long an end waits for the engine. After that the task comes again.
const mostWait = time.Minute

// end tells what has become of the attempt.
func (t *task) end(v verdict) {
	q, r := t.queue, t.queue.room
	pausing := time.Duration(0)
	switch v.how {
	case released:
		pausing = v.delay
	case retried:
		pausing = pause(t.settings.Backoff, t.wire.Attempt)
	}
	ctx, cancel := context.WithTimeout(context.Background(), mostWait)
	defer cancel()
	if err := t.tell(ctx, v, pausing); err != nil {
		r.Log.Error("the end of a task could not be written down: it comes again", "queue", q.name(), "id", t.wire.ID,
			"end", v.how.String(), "error", err)
		q.counted.untold.Add(1)
	} else if reply := t.message.Headers().Get(headerReply); reply != "" && (v.how == done || v.how == buried) {
		r.answer(ctx, reply, v)
	}
	r.mu.Lock()
	delete(r.hands, t)
	r.mu.Unlock()
	q.running.Add(-1)
	t.note(v, pausing)
	if pausing > 0 && pausing < 2*glance { // after a longer one it is found in time
		time.AfterFunc(pausing+20*time.Millisecond, q.ring)
	}
	q.ring()
}

// tell has the engine know, and waits until it does.
func (t *task) tell(ctx context.Context, v verdict, pausing time.Duration) error {
	r := t.queue.room
	for {
		err := r.Engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			switch v.how {
			case done:
				return t.reply(ctx, "+ACK")
			case buried:
				if err := r.bury(ctx, js, t, v); err != nil {
					return err
				}
				return t.reply(ctx, "+ACK")
			}
			// Without a delay the engine would forget that it is to come again, if it ended just then.
			delay := max(pausing, time.Millisecond).Nanoseconds()
			return t.reply(ctx, fmt.Sprintf(`-NAK {"delay": %d}`, delay))
		})
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return err
		case <-r.closed.Done():
			return err
		}
	}
}

// reply tells the engine, and waits until it has taken it in. It may be repeated: the engine answers what it has had
// as if it were the first.
func (t *task) reply(ctx context.Context, what string) error {
	conn, err := t.queue.room.Engine.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = conn.RequestWithContext(ctx, t.message.Reply(), []byte(what))
	if errors.Is(err, nats.ErrNoResponders) {
		t.queue.room.forget(err)
	}
	return err
}

// note counts and logs.
func (t *task) note(v verdict, pausing time.Duration) {
	q := t.queue
	t.mu.Lock()
	begun := t.begun
	t.mu.Unlock()
	rec := &Record{Realm: q.room.names.realm, Queue: t.settings.Name, Pool: t.settings.Pool, ID: t.wire.ID,
		Attempt: t.wire.Attempt, Most: t.settings.Attempts, End: v.how.String(), Pause: pausing, Slot: t.slot,
		Generation: t.gen, Bytes: len(t.wire.Payload), Reason: v.reason, Trace: v.trace}
	if !begun.IsZero() {
		rec.Took = time.Since(begun)
		rec.Waited = max(0, begun.Sub(t.taken))
		if t.wire.Attempt == 1 {
			rec.Waited = max(0, begun.Sub(time.UnixMilli(t.wire.Pushed)))
		}
	}
	q.counted.note(v.how, rec.Took)
	if ended := q.room.Ended; ended != nil {
		ended(rec)
	}
}

// answer tells whoever waits for the end. Whoever may push from outside may not have the host publish elsewhere.
func (r *Room) answer(ctx context.Context, reply string, v verdict) {
	if !strings.HasPrefix(reply, nats.InboxPrefix) || strings.ContainsAny(reply, "*> \t\r\n") {
		return
	}
	how := protocol.TaskDone
	if v.how == buried {
		how = protocol.TaskGivenUp
	}
	value, err := resultOf(how, v.value, v.reason)
	if err != nil {
		return
	}
	if conn, err := r.Engine.Conn(ctx); err == nil {
		conn.Publish(reply, value) // nobody may wait any more
	}
}
