// setup.go: what a host runs at a moment. A reload replaces it as a whole, so whoever reads it sees one state of
// things.

package serve

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/workerhost/workerhost/host/internal/cache"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/listen"
)

// setup never changes. It is replaced under host.mu.
type setup struct {
	config    *config.Config // its pools may be older than those of pools: a reload can end half-way
	pools     []*pool
	listeners []*listener
	edge      *edge
	realms    map[string]*realm // by name: those of the pools, and those that had some
	apps      map[string]*app   // by name: those that speak Pusher's protocol
	cache     *cache.Store      // of routes that store answers; nil: there are none
}

// listener serves one [[listen]]. It never changes: when its settings do, another one takes the socket over.
type listener struct {
	config config.Listen
	pools  []*pool // its own, if it has one, and those of its routes
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

// newListener makes a listener for its pools, without binding it.
func (h *host) newListener(made *setup, l config.Listen) (*listener, error) {
	o, err := h.listenOptions(made, l)
	if err != nil {
		return nil, err
	}
	server, err := listen.New(o)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", l.Address, err)
	}
	return &listener{config: l, pools: poolsOf(made, &l), socket: &socket{server: server}}, nil
}

// ownPool is a listener's pool, or one that is never asked where it has none.
func ownPool(made *setup, l *config.Listen) *pool {
	return cmp.Or(byName(made.pools, l.Pool), made.pools[0])
}

// poolsOf are the pools that a listener leads to.
func poolsOf(made *setup, l *config.Listen) (pools []*pool) {
	names := []string{l.Pool}
	routes, _, _ := made.config.RoutesOf(l)
	for _, r := range routes {
		names = append(names, r.Pool)
	}
	for _, name := range names {
		if p := byName(made.pools, name); p != nil && !slices.Contains(pools, p) {
			pools = append(pools, p)
		}
	}
	return pools
}

// start serves the listener, once. The caller holds mu, and the host has not begun to shut down.
func (h *host) start(l *listener) {
	if l.started.CompareAndSwap(false, true) {
		h.work(func() error { return h.serveListener(l) })
	}
}

// startReady serves those listeners whose pools each have a worker, or know why they have none.
func (h *host) startReady() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || !h.upgrade.here() {
		return
	}
	for _, l := range h.listeners() {
		if !slices.ContainsFunc(l.pools, func(p *pool) bool { return !p.knows() }) {
			h.start(l)
		} // else startPool comes for it
	}
	h.beginDials()
	h.beginTasks()
	h.manageCertificates(h.setup.Load())
}

// knows says whether the pool has, or had, a worker, or knows why it has none.
func (p *pool) knows() bool {
	select {
	case <-p.workers.Started():
		return true
	default:
		return false
	}
}
