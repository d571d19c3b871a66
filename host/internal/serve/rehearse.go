// rehearse.go is the host that host rehearse starts where none runs: the pools behind one listener, at a free port of
// this machine, in cleartext, and nothing else. It has no control socket, no [[cron]], no [service.NAME] and no
// [[dial]].

package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/leaks"
	"github.com/workerhost/workerhost/host/internal/rehearse"
	"github.com/workerhost/workerhost/protocol"
)

// StartRehearsed starts the host of a configuration for a rehearsal. The context is that of the command.
func StartRehearsed(ctx context.Context, c *config.Config, o cli.RehearsedSettings) (*cli.Rehearsed, error) {
	closeOnExec()
	if err := alone(c, o); err != nil {
		return nil, err
	}
	if o.Leaks {
		if err := inspected(c); err != nil {
			return nil, err
		}
	}
	h := newHost(c, newLogger(c.Log))
	stop := context.AfterFunc(ctx, func() { h.end(context.Cause(ctx)) })
	var down teardown
	end := func() {
		stop()
		h.end(errStopped)
		h.endNow() // what is under way is asked by nobody any more
		down.run()
	}
	if err := h.standUp(&down); err != nil {
		end()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	l := h.listeners()[0]
	made := &cli.Rehearsed{Address: l.server.Address(), Close: end}
	for _, p := range l.pools {
		made.Pools = append(made.Pools, p.name)
	}
	if o.Leaks {
		made.Leaks = h.leaksOf
	}
	return made, nil
}

// standUp builds it, and serves its listener once all workers are ready.
func (h *host) standUp(down *teardown) error {
	if err := h.build(down); err != nil {
		return err
	}
	for _, p := range h.pools() {
		down.add(func() { h.stopPool(p, h.now) })
		if err := p.boot(); err != nil {
			return fmt.Errorf("pool %s does not start: %w", p.name, err)
		}
	}
	for _, l := range h.listeners() {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := h.serveListener(l); err != nil && h.stopping.Err() == nil {
				h.log.Error(err.Error())
			}
		}()
		down.add(func() {
			l.server.Close()
			<-ended
		})
	}
	return nil
}

// alone leaves of a configuration one listener of HTTP, and the pools that it leads to.
func alone(c *config.Config, o cli.RehearsedSettings) error {
	i := slices.IndexFunc(c.Listen, func(l config.Listen) bool {
		return l.Protocol == "http" && (o.Pool == "" || slices.Contains(poolsBehind(c, &l), o.Pool))
	})
	switch {
	case o.Pool != "" && c.Pool(o.Pool) == nil:
		return cli.Misused("--pool: there is no pool %q", o.Pool)
	case i < 0 && o.Pool != "":
		return cli.Misused("--pool: no [[listen]] of HTTP leads to pool %q", o.Pool)
	case i < 0:
		return errors.New("there is no [[listen]] of HTTP")
	}
	l := c.Listen[i]
	names := poolsBehind(c, &l)
	const place = "127.0.0.1:0"
	var routes []*config.Route
	for _, r := range c.Routes {
		if len(r.Listen) > 0 && !slices.Contains(r.Listen, l.Address) {
			continue
		}
		if len(r.Listen) > 0 {
			r.Listen = config.Words{place}
		}
		r.RateLimit = nil
		routes = append(routes, r)
	}
	c.Routes = routes
	l.Address, l.TLS, l.HTTP3, l.MaxConns, l.SocketFile = place, nil, false, 0, config.SocketFile{}
	c.Listen = []config.Listen{l}
	c.Pools = slices.DeleteFunc(c.Pools, func(p *config.Pool) bool { return !slices.Contains(names, p.Name) })
	if len(c.Pools) == 0 {
		return errors.New("its first [[listen]] of HTTP leads to no pool: name one with --pool")
	}
	c.HTTP.AccessLog, c.HTTP.RateLimit, c.Faults.Keep, c.Admin.Listen = "off", config.RateLimit{}, 0, ""
	c.HTTP.TrustedProxies = []string{"127.0.0.0/8"} // the command says which scheme the old stack has
	if c.Log.Level == "info" {
		c.Log.Level = "warn"
	}
	return nil
}

// poolsBehind are the pools that a listener leads to.
func poolsBehind(c *config.Config, l *config.Listen) (names []string) {
	routes, _, _ := c.RoutesOf(l)
	names = append(names, l.Pool)
	for _, r := range routes {
		names = append(names, r.Pool)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// poolOf is the pool that a request leads to at a listener; "" is none.
func poolOf(c *config.Config, l *config.Listen, r *rehearse.Request) string {
	routes, table, _ := c.RoutesOf(l)
	path, _, _ := strings.Cut(r.Target, "?")
	if path, ok := protocol.CanonicalPath(path); ok && table != nil {
		if i := table.Match(r.Host, path, r.Method); i >= 0 {
			return routes[i].Pool
		}
	}
	return l.Pool
}

// leaksOf has the requests repeated by the workers of the pools that can leak.
func (h *host) leaksOf(ctx context.Context, requests []rehearse.Request) (*cli.RehearsedLeaks, error) {
	l := h.listeners()[0]
	var reports []*leaks.Report
	for _, r := range requests {
		p := byName(l.pools, poolOf(h.setup.Load().config, &l.config, &r))
		if p == nil || canLeak(p.config()) != nil {
			continue
		}
		made, err := leakRequest(r.Target)
		if err != nil {
			continue // it is none that a client may ask
		}
		made.Host = cmp.Or(r.Host, made.Host)
		made.Headers = append(made.Headers, r.Headers...)
		found, err := inspect(ctx, p.workers, []*protocol.Request{made})
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			for _, f := range r.Findings {
				shorten(f.Places, p.config().Directory)
			}
		}
		reports = append(reports, found...)
	}
	made := &cli.RehearsedLeaks{Reports: reports}
	for _, r := range reports {
		made.Count += r.Leaks()
	}
	made.Show = func(t *cli.Terminal) {
		for _, r := range reports {
			if len(r.Findings) > 0 {
				showReport(t, r)
			}
		}
	}
	return made, nil
}
