// admin.go: the admin listener of [admin], for whoever watches the host.

package serve

import (
	"fmt"
	"iter"
	"time"

	"github.com/workerhost/workerhost/host/internal/admin"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/metrics"
)

// openAdmin answers probes and Prometheus until the returned function is called. Without an address it does nothing.
func (h *host) openAdmin(address string) (closeAdmin func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	source := metrics.Source{
		Version: cli.Version(),
		Pools: func() (all []metrics.Pool) {
			for _, p := range h.pools() {
				all = append(all, p.workers)
			}
			return all
		},
		Listeners: func() (all []metrics.Listener) {
			for _, l := range h.listeners() {
				all = append(all, l.server)
			}
			return all
		},
	}
	source.ConfigFailures, source.Cache = h.configFailures.Load, h.cached
	source.Upgrades = func() (u metrics.Upgrades) {
		u.Count, u.Moved, u.Paused = h.upgrade.counted()
		u.Guests, _ = h.guests()
		return u
	}
	source.LongLived = func() []hub.Tally { return hub.Tallies(h.setup.Load().hubs()...) }
	source.Certificates = func() iter.Seq2[string, time.Time] {
		return func(yield func(string, time.Time) bool) {
			for _, c := range h.certificates.Status() {
				if !yield(c.Name, c.Until) {
					return
				}
			}
		}
	}
	source.Spans = func() (sent, dropped uint64) {
		t := h.setup.Load().edge.traces.tally
		return t.Sent.Load(), t.Dropped.Load()
	}
	source.Fetches, source.Dials = h.fetches, h.dialCounts
	source.Stores, source.Channels = h.storeCounts, h.channelMetrics
	source.Services, source.Cron = h.services.each, h.cron.Status
	source.Tasks = h.taskMetrics
	source.Trials, source.Canaries = h.canaryPools, h.canaries.snapshot
	source.AccessLogLost = func() uint64 { return h.setup.Load().edge.lost.Load() }
	socket, err := h.upgrade.bind(address)
	if err != nil {
		return nil, fmt.Errorf("[admin] %w", err)
	}
	server := admin.New(socket, h.overview, metrics.Handler(source))
	h.upgrade.when(h.stopping, func() {
		go func() { // ends with Close
			if err := server.Serve(); err != nil {
				h.end(fmt.Errorf("the admin listener failed: %w", err))
			}
		}()
	})
	h.log.Info("admin listener", "address", server.Address())
	return server.Close, nil
}
