// engine.go: what outlives the workers and is nobody's.

package serve

import (
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/engine"
)

// newEngine makes the engine as the configuration has it, which a reload does not change. Nothing starts yet.
func newEngine(c *config.Config, log hclog.Logger) *engine.Engine {
	name, _ := os.Hostname() // without one it is the number alone
	s := engine.Settings{
		Folder: c.EngineFolder, URL: c.Engine.URL, Credentials: c.Engine.Credentials,
		MaxMemory: int64(c.Engine.MaxMemory), MaxDisk: int64(c.Engine.MaxDisk),
		Name: fmt.Sprintf("workerhost %s %d", name, os.Getpid()), Log: log,
	}
	if k := &c.Cluster; k.On() && c.Engine.URL == "" {
		s.Cluster = &engine.Cluster{Name: k.Name, Listen: k.Listen, Routes: k.Routes, Hosts: len(k.Routes),
			Secret: k.Password(), TLS: k.TLS()}
	} else {
		s.Replicas = c.Engine.Replicas
	}
	return engine.New(s)
}
