// walk.go: through a queue's failed tasks as they lie in the stream: one at a time, however many there are.

package tasks

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// walker goes through the messages of failed tasks that are there when it comes.
type walker struct {
	room   *Room
	stream jetstream.Stream
	filter string
	end    uint64 // the last message's sequence
}

func (r *Room) walk(ctx context.Context, queue string) (*walker, error) {
	if r.find(queue) == nil {
		return nil, &errUnknown{queue}
	}
	w := &walker{room: r, filter: r.names.failed(queue, "*")}
	return w, r.inStream(ctx, func(ctx context.Context, stream jetstream.Stream) error {
		info, err := stream.Info(ctx)
		if err == nil {
			w.stream, w.end = stream, info.State.LastSeq
		}
		return err
	})
}

// next is the first one from a sequence on; nil if there is none.
func (w *walker) next(ctx context.Context, from uint64) (m *jetstream.RawStreamMsg, err error) {
	err = w.room.Engine.Again(ctx, func(ctx context.Context, _ jetstream.JetStream) error {
		m, err = w.stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(w.filter))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			m = nil
			return nil
		}
		return err
	})
	return m, err
}

// back calls each from the last one, up to a sequence, back to first, until it says false. The engine finds what comes
// next, and not what came before: so what lies between is halved until it is one.
func (w *walker) back(ctx context.Context, first *jetstream.RawStreamMsg, to uint64,
	each func(*jetstream.RawStreamMsg) bool) (more bool, err error) {
	if first == nil || first.Sequence > to {
		return true, nil
	}
	if first.Sequence < to {
		middle := to - (to-first.Sequence)/2
		later, err := w.next(ctx, middle)
		if err != nil {
			return false, err
		}
		if more, err := w.back(ctx, later, to, each); err != nil || !more {
			return false, err
		}
		return w.back(ctx, first, middle-1, each)
	}
	return each(first), nil
}

// drop removes one, if it is there still.
func (w *walker) drop(ctx context.Context, sequence uint64) error {
	return w.room.Engine.Again(ctx, func(ctx context.Context, _ jetstream.JetStream) error {
		err := w.stream.DeleteMsg(ctx, sequence)
		if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
			return nil
		}
		return err
	})
}
