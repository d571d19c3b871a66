// cluster.go: this host as one of several.

package serve

import (
	"context"
	"errors"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/cluster"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// newCluster makes the room of a host of [cluster], which a reload does not change; nil: there is none.
func (h *host) newCluster(c *config.Config) *cluster.Room {
	if !c.Cluster.On() {
		return nil
	}
	return cluster.New(cluster.Settings{
		Cluster: c.Cluster.Name, Host: c.Cluster.Host, Version: cli.Version(), Conn: h.engine.Conn,
		Station: station(c), State: h.state, Obey: h.obey, Purge: h.hearPurge, Log: h.log,
	})
}

// state is how this host is, in a word, for the others of its cluster.
func (h *host) state() string {
	if h.leaves() {
		return "stopping"
	}
	for _, p := range h.pools() {
		if !p.knows() {
			return "starting"
		}
	}
	return "serving"
}

// Hosts implements [control.Host].
func (h *host) Hosts() (all []control.ClusterHost) {
	if h.cluster == nil {
		return nil
	}
	for _, m := range h.cluster.Members() {
		one := control.ClusterHost{Station: m.Station, Host: m.Host, Version: m.Version, State: m.State, Here: m.Here}
		if !m.Here {
			one.Seen = &m.Seen
		}
		all = append(all, one)
	}
	return all
}

var errAlone = errors.New("this host is in no cluster: write [cluster] in host.toml (host help cluster)")

// Elsewhere implements [control.Host].
func (h *host) Elsewhere(ctx context.Context, station string, o control.Order, part func(control.Part) error) error {
	if h.cluster == nil {
		return errAlone
	}
	order := cluster.Order{By: o.By, Method: o.Method, Path: o.Path, Message: o.Message, Body: o.Body}
	return h.cluster.Order(ctx, station, order, func(p cluster.Part) error { return part(control.Part(p)) })
}

// obey carries out what has been asked for at another host.
func (h *host) obey(ctx context.Context, o cluster.Order, part func(cluster.Part)) {
	var rights []control.Right
	for _, right := range h.config().Cluster.Rights {
		rights = append(rights, control.Right(right))
	}
	order := control.Order{By: o.By, Method: o.Method, Path: o.Path, Message: o.Message, Body: o.Body}
	h.upgrade.control.Obey(ctx, o.Host, rights, order, func(p control.Part) { part(cluster.Part(p)) })
}
