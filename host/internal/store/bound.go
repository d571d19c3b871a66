// bound.go: locks that end with the worker that has them.

package store

import (
	"context"

	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// bond is a lock that a worker has.
type bond struct {
	locks *locks
	name  string
	token uint64
}

// release frees it for whoever waits, if it is still had.
func (h bond) release() {
	ctx, cancel := context.WithTimeout(context.Background(), engine.Patience)
	defer cancel()
	if _, err := h.locks.release(ctx, h.name, h.token); err != nil {
		h.locks.room.settings.Log.Warn("the lock of a worker that has gone can't be freed: it ends with its time",
			"lock", h.name, "error", err)
	}
}

// mostBonds bounds the locks of a realm that end with a worker of this host.
const mostBonds = 100_000

// bind has the lock end with the worker, at once if that has gone.
func (r *Room) bind(h bond, worker context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.bonds) >= mostBonds {
		return refuse(protocol.CallExhausted, "workers have %d locks that they have not released", mostBonds)
	}
	if r.bonds == nil {
		r.bonds = map[bond]func() bool{}
	}
	r.bonds[h] = context.AfterFunc(worker, func() {
		r.forget(h)
		h.release()
	})
	return nil
}

// forget ends the watch for the worker's end.
func (r *Room) forget(h bond) {
	r.mu.Lock()
	stop := r.bonds[h]
	delete(r.bonds, h)
	r.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (r *Room) bound() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bonds)
}
