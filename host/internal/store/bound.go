// bound.go: locks that end with the worker that has them.

package store

import (
	"context"
	"time"

	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// bond is a lock that a worker has.
type bond struct {
	locks *locks
	name  string
	token uint64
}

// tie is what has a lock end with its worker.
type tie struct {
	stop  func() bool
	until time.Time // the lock has ended by itself
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

// fewBonds are so few that nobody looks for those whose locks have ended.
const fewBonds = 1024

// ends is when a lock has ended for certain that lives for ttl from now on.
func ends(ttl time.Duration) time.Time { return time.Now().Add(ttl + 2*time.Second) }

// bind has the lock, which lives for ttl, end with the worker, at once if that has gone.
func (r *Room) bind(h bond, worker context.Context, ttl time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.bonds) >= max(r.sweep, fewBonds) {
		now := time.Now()
		for each, t := range r.bonds {
			if now.After(t.until) {
				t.stop()
				delete(r.bonds, each)
			}
		}
		r.sweep = min(2*len(r.bonds), mostBonds)
	}
	if len(r.bonds) >= mostBonds {
		return refuse(protocol.CallExhausted, "workers have %d locks that they have not released", mostBonds)
	}
	if r.bonds == nil {
		r.bonds = map[bond]*tie{}
	}
	r.bonds[h] = &tie{context.AfterFunc(worker, func() {
		r.forget(h)
		h.release()
	}), ends(ttl)}
	return nil
}

// renewed notes that a lock lives for ttl from now on.
func (r *Room) renewed(h bond, ttl time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.bonds[h]; t != nil {
		t.until = ends(ttl)
	}
}

// forget ends the watch for the worker's end.
func (r *Room) forget(h bond) {
	r.mu.Lock()
	t := r.bonds[h]
	delete(r.bonds, h)
	r.mu.Unlock()
	if t != nil {
		t.stop()
	}
}

// bound is how many locks there are that end with a worker.
func (r *Room) bound() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, t := range r.bonds {
		if now.Before(t.until) {
			n++
		}
	}
	return n
}
