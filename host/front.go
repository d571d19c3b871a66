// front.go: what all listeners share at the host's edge: the access log, and who may come how often.

package main

import (
	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/listen"
)

// front is fixed until the host ends.
type front struct {
	access  *listen.AccessLog // nil is off
	crowd   *listen.Crowd
	rate    *listen.RateLimit // nil is off
	proxies *listen.Proxies   // nil: nobody is asked to say who clients are
	id      string
	log     hclog.Logger
}

func newFront(c config.HTTP, log hclog.Logger) (*front, error) {
	f := &front{id: c.RequestID, log: log}
	if networks, unix, set := c.Proxies(); set {
		f.proxies = &listen.Proxies{Networks: networks, Unix: unix}
	}
	f.crowd = listen.NewCrowd(c.MaxConnections, c.MaxPerAddress, f.proxies, log)
	if c.RateLimit.Requests > 0 {
		f.rate = listen.NewRateLimit(c.RateLimit.Requests, c.RateLimit.Burst)
	}
	if c.AccessLog != "off" {
		access, err := listen.OpenAccessLog(c.AccessLog, log)
		if err != nil {
			return nil, err
		}
		f.access = access
	}
	return f, nil
}

// guard has a listener heed all this.
func (f *front) guard(o *listen.Options) {
	o.Access, o.RequestID, o.Crowd, o.RateLimit, o.Proxies = f.access, f.id, f.crowd, f.rate, f.proxies
}

// reopen takes the access log's file anew, after somebody has renamed it.
func (f *front) reopen() {
	if f.access != nil {
		f.access.Reopen()
	}
}

func (f *front) close() {
	if f.access == nil {
		return
	}
	if err := f.access.Close(); err != nil {
		f.log.Warn(err.Error())
	}
}
