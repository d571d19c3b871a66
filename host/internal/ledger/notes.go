// notes.go: what is noted of a connection, and the writing of it.

package ledger

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// entry is what a note says. It goes between hosts of different versions, so a field keeps its meaning.
type entry struct {
	Life       string         `msgpack:"life"` // of the process that has the connection
	Realm      string         `msgpack:"realm"`
	Pool       string         `msgpack:"pool"`
	Connection protocol.Value `msgpack:"connection"` // as SPEC.md §9.3 has it
}

// largest is how many bytes an entry may have; of a connection with a larger session it is noted without that.
const largest = 96 << 10

// write notes what has changed, as much as goes at a time, and says whether there is more that could be.
func (r *Room) write(ctx context.Context) (more bool) {
	batch := r.take()
	if len(batch) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	todo := make(chan *note)
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	for range min(side, len(batch)) {
		all.Go(func() {
			for n := range todo {
				err := ctx.Err()
				if err == nil {
					err = r.writeOne(ctx, n)
				}
				if err != nil {
					failed.CompareAndSwap(nil, &err)
					cancel() // the others would wait in vain
					r.mu.Lock()
					r.enqueue(n)
					r.mu.Unlock()
				}
			}
		})
	}
	for _, n := range batch {
		todo <- n
	}
	close(todo)
	all.Wait()
	if err := failed.Load(); err != nil {
		r.fails(*err)
		return false
	}
	r.failing = time.Time{}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) > 0
}

// fails says that nothing can be noted, unless it has just begun.
func (r *Room) fails(err error) {
	switch now := time.Now(); {
	case r.ctx.Err() != nil:
	case r.failing.IsZero():
		r.failing = now
	case now.Sub(r.failing) > r.silence:
		r.unnoted.Warn(r.log, "connections can't be noted: if this host dies now, no other has their CLOSE handled",
			"error", err)
	}
}

// take gives what is to be noted next.
func (r *Room) take() []*note {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := r.queue[:min(most, len(r.queue)):min(most, len(r.queue))]
	if r.queue = r.queue[len(batch):]; len(r.queue) == 0 {
		r.queue = nil
	}
	for _, n := range batch {
		n.queued = false
	}
	return batch
}

// writeOne notes a connection, or that it is no more. The error is that the engine is away.
func (r *Room) writeOne(ctx context.Context, n *note) error {
	r.mu.Lock()
	ended := n.ended
	r.mu.Unlock()
	if ended {
		return r.strike(ctx, n)
	}
	t := n.c.Terms()
	traits := t.Backend.Traits()
	if !traits.Events.Close {
		return nil
	}
	v := n.c.View()
	e := entry{r.life, *n.realm.name.Load(), traits.Pool, v.Value()}
	if len(e.Connection) > largest {
		v.Session = nil
		e.Connection = v.Value()
	}
	data, err := msgpack.Marshal(&e)
	if err != nil {
		return nil // it can't be: there is nothing in it that could not be encoded
	}
	unsure := n.unsure
	n.unsure = true
	at, err := r.stream.put(ctx, r.stream.entry(r.station, n.id), data, anyVersion)
	switch {
	case err == nil:
		n.at, n.unsure = at, false
	case engine.Away(err):
		return err
	default:
		n.unsure = unsure
		r.unnoted.Warn(r.log, "a connection can't be noted: if this host dies, no other has its CLOSE handled",
			"connection", n.id, "error", err)
	}
	return nil
}

// strike removes what is noted of a connection, unless another process has noted it since.
func (r *Room) strike(ctx context.Context, n *note) error {
	if n.unsure {
		m, err := r.stream.last(ctx, r.stream.entry(r.station, n.id))
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return err
		}
		n.at, n.unsure = 0, false
		var e entry
		if err == nil && msgpack.Unmarshal(m.Data, &e) == nil && e.Life == r.life {
			n.at = m.Sequence
		}
	}
	if n.at != 0 {
		if err := r.stream.remove(ctx, n.at); err != nil && !errors.Is(err, errMoved) {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.notes[n.id] == n {
		delete(r.notes, n.id)
	}
	return nil
}

// renote has all be noted anew: the engine has forgotten it.
func (r *Room) renote() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.notes {
		n.at, n.unsure = 0, false
		r.enqueue(n)
	}
}

// disown ends what this process has noted under the name by which it was declared dead.
func (r *Room) disown() {
	var lost []*note
	r.mu.Lock()
	for id, n := range r.notes {
		if n.at != 0 || n.unsure {
			lost = append(lost, n)
			delete(r.notes, id)
		}
	}
	r.mu.Unlock()
	r.log.Error("another host of the cluster has taken this one for dead, since it could not reach the engine: "+
		"connections are closed with 1012, and their CLOSE is handled there", "count", len(lost))
	for i, n := range lost {
		n.c.Disown()
		if i%100 == 99 { // they come again
			select {
			case <-time.After(10 * time.Millisecond):
			case <-r.ctx.Done():
			}
		}
	}
}
