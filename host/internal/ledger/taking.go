// taking.go: what a dead process has left, taken note by note.

package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// together is how many CLOSEs of a dead host may wait to be handled here.
const together = 64

// taking is one under way.
type taking struct {
	room                *Room
	in                  jetstream.Stream
	life, station, host string
	last                bool // what nobody takes is dropped

	ended chan struct{}
	// once it has ended
	found, taken int
	err          error
}

// run looks through all notes of the process's host, and takes those that are its own.
func (t *taking) run() {
	defer close(t.ended)
	r := t.room
	window := make(chan struct{}, together)
	for from := uint64(1); ; {
		m, err := t.next(from)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			t.err = err
			break
		}
		from = m.Sequence + 1
		var e entry
		if msgpack.Unmarshal(m.Data, &e) != nil || e.Life != t.life {
			continue
		}
		t.found++
		select {
		case window <- struct{}{}:
		case <-r.ctx.Done():
			t.err = r.ctx.Err()
			return
		}
		if !t.one(&e, m.Sequence, func() { <-window }) {
			<-window
		}
	}
	if t.taken > 0 {
		r.log.Info("the CLOSE of connections of a host that has died is handled here", "host", t.host,
			"count", t.taken)
	}
}

// next reads, again while the engine is away.
func (t *taking) next(from uint64) (m *jetstream.RawStreamMsg, err error) {
	r := t.room
	for range signs {
		ctx, cancel := context.WithTimeout(r.ctx, patience)
		m, err = next(ctx, t.in, r.stream.entries(t.station), from)
		cancel()
		if !engine.Away(err) {
			break
		}
		select {
		case <-time.After(r.silence / signs):
		case <-r.ctx.Done():
			return nil, r.ctx.Err()
		}
	}
	return m, err
}

// one takes a note, and says whether its CLOSE is handled here; then done is called when it has been.
func (t *taking) one(e *entry, at uint64, done func()) bool {
	r := t.room
	takes := !r.yielded.Load() && r.settings.Takes(e.Realm, e.Pool)
	if !takes && !t.last {
		return false
	}
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	if r.stream.remove(ctx, at) != nil { // another process has noted it since, or nobody knows
		return false
	}
	v, err := protocol.ParseConnection(e.Connection)
	switch {
	case err != nil:
	case !takes:
		err = errNobody
	default:
		err = r.settings.Handle(e.Realm, e.Pool, &v, done)
	}
	if err != nil {
		r.log.Error("the CLOSE of a connection whose host has died is not handled", "connection", v.ID, "pool", e.Pool,
			"error", err)
		return false
	}
	t.taken++
	return true
}

var errNobody = errors.New("no host of the cluster has such a pool that handles it")
