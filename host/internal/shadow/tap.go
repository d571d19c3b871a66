// tap.go: the place where requests are listened to.

package shadow

import (
	"sync/atomic"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// Tap is a [hub.Backend] before another one. Its methods are safe for concurrent use.
type Tap struct {
	hub.Backend
	run atomic.Pointer[Run] // nil: nobody listens
}

// NewTap makes one without a shadow.
func NewTap(stable hub.Backend) *Tap { return &Tap{Backend: stable} }

// Listen has a run see what comes from now on; nil ends that. What it has seen already goes on.
func (t *Tap) Listen(r *Run) { t.run.Store(r) }

// Submit implements [hub.Backend].
func (t *Tap) Submit(x *protocol.Exchange) protocol.Ticket {
	if r := t.run.Load(); r != nil {
		x = r.watch(x)
	}
	return t.Backend.Submit(x)
}
