// setup.go: what a host runs at a moment. A reload replaces it as a whole, so whoever reads it sees one state of
// things.

package serve

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/listen"
)

// setup never changes. It is replaced under host.mu.
type setup struct {
	config    *config.Config // its pools may be older than those of pools: a reload can end half-way
	pools     []*pool
	listeners []*listener
	edge      *edge
}

// listener serves one [[listen]]. It never changes: when its settings do, another one takes the socket over.
type listener struct {
	config config.Listen
	pool   *pool
	*socket
}

// socket is what lives on when the settings of a listener change.
type socket struct {
	server  *listen.Server
	started atomic.Bool // somebody has begun to serve it
	serving atomic.Bool
}

func (h *host) config() *config.Config { return h.setup.Load().config }
func (h *host) pools() []*pool         { return h.setup.Load().pools }
func (h *host) listeners() []*listener { return h.setup.Load().listeners }
func (p *pool) config() *config.Pool   { return p.settings.Load() }

// byName is the pool of that name, or nil.
func byName(pools []*pool, name string) *pool {
	i := slices.IndexFunc(pools, func(p *pool) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return pools[i]
}

// newListener makes a listener for a pool, without binding it.
func (h *host) newListener(made *setup, l config.Listen) (*listener, error) {
	p := byName(made.pools, l.Pool)
	if p == nil {
		return nil, fmt.Errorf("listener %s: there is no pool %q", l.Address, l.Pool)
	}
	o := h.listenOptions(made, l, p)
	server, err := listen.New(o)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", l.Address, err)
	}
	return &listener{config: l, pool: p, socket: &socket{server: server}}, nil
}

// start serves the listener, once. The caller holds mu, and the host has not begun to shut down.
func (h *host) start(l *listener) {
	if l.started.CompareAndSwap(false, true) {
		h.work(func() error { return h.serveListener(l) })
	}
}

// startReady serves those listeners whose pool has a worker, or knows why it has none.
func (h *host) startReady() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	for _, l := range h.listeners() {
		select {
		case <-l.pool.workers.Started():
			h.start(l)
		default: // startPool comes for it
		}
	}
}
