// status.go: what the host tells of itself.

package serve

import (
	"context"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/protocol"
)

// Version implements [control.Host].
func (h *host) Version() control.Version {
	return control.Version{Version: cli.Version(), Go: runtime.Version(), Wire: protocol.Version, PID: os.Getpid()}
}

// Status implements [control.Host].
func (h *host) Status() control.Status {
	ctx, cancel := context.WithTimeout(context.Background(), childrenTimeout)
	defer cancel()
	return h.statusUntil(ctx)
}

// overview is the status without what only workers know: nobody is asked for it.
func (h *host) overview() control.Status {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return h.statusUntil(ctx)
}

// statusUntil asks the workers for their processes until ctx is done, those of all pools at a time.
func (h *host) statusUntil(ctx context.Context) control.Status {
	st := control.Status{
		Version: cli.Version(), Uptime: control.Seconds(time.Since(h.began)), PID: os.Getpid(), Config: h.file,
		Stopping: h.leaves(), Upgrade: h.upgraded(), Maintenance: h.Maintenance(),
		Listen: []control.Listener{}, Connections: map[string]int{},
	}
	st.Upgrades, _, _ = h.upgrade.counted()
	for _, l := range h.listeners() {
		shown := control.Listener{
			Address: l.server.Address(), Protocol: l.config.Protocol, Pool: l.config.Pool, TLS: l.config.TLS != nil,
			HTTP3: l.config.HTTP3, Serving: l.serving.Load(),
		}
		if shown.Serving {
			shown.Problem = l.server.Problem()
		}
		shown.Routes = h.routed(l)
		st.Listen = append(st.Listen, shown)
	}
	st.Certificates, st.Services = h.certificateStatus(), h.services.status()
	now := h.setup.Load()
	for _, r := range now.realms {
		for kind, n := range r.hub.Open() {
			st.Connections[kind] += n
		}
	}
	st.Dials, st.Channels = h.dialed(), h.channelStatus(ctx)
	pools := now.pools
	st.Pools = make([]control.Pool, len(pools))
	var asked sync.WaitGroup
	for i, p := range pools {
		asked.Go(func() {
			st.Pools[i] = p.status(ctx)
			st.Pools[i].Realm = now.shown(now.nameOf(p.realm))
		})
	}
	asked.Wait()
	h.showCanary(ctx, st.Pools)
	return st
}
