// cluster.go: this host as one of several.

package serve

import (
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/cluster"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/engine"
)

// newCluster makes the room of a host of [cluster], which a reload does not change; nil: there is none.
func (h *host) newCluster(c *config.Config) *cluster.Room {
	if !c.Cluster.On() {
		return nil
	}
	return cluster.New(cluster.Settings{
		Cluster: c.Cluster.Name, Host: c.Cluster.Host, Version: cli.Version(), Conn: h.engine.Conn,
		Station: func() (string, error) {
			folder, err := c.StationFolder()
			if err != nil {
				return "", err
			}
			return engine.Station(folder)
		},
		State: h.state, Log: h.log,
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
