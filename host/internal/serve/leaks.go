// leaks.go is host serve --leaks, and host check --leaks, which runs one worker of a pool without a listener.

package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/leaks"
	"github.com/workerhost/workerhost/protocol"
)

// canLeak says why no leaks are looked for in a pool; nil if they can be.
func canLeak(p *config.Pool) error {
	switch p.Kind {
	case config.FPM, config.FastCGI:
		return fmt.Errorf("pool %s runs PHP that forgets everything after each request, so that nothing can leak "+
			"there", p.Name)
	case config.GoPackage:
		return fmt.Errorf("pool %s is written in Go, and only PHP shows what it keeps", p.Name)
	}
	return nil
}

// inspected changes the settings of the pools that can leak: one worker, which is told to look. It is an error if
// there is none.
func inspected(c *config.Config) error {
	var none []error
	for _, p := range c.Pools {
		if err := canLeak(p); err != nil {
			none = append(none, err)
			continue
		}
		p.Workers, p.Unsized, p.MaxWorkers, p.Concurrency = 1, false, 0, 1
		if p.Env == nil {
			p.Env = map[string]string{}
		}
		p.Env[leaks.Variable] = "1"
	}
	if len(none) == len(c.Pools) {
		return cli.Misused("--leaks: %v", errors.Join(none...))
	}
	return nil
}

// watchLeaks has what the pool answers repeated, from its start to its stop.
func (p *pool) watchLeaks(c *config.Pool) {
	if err := canLeak(c); err != nil {
		p.log.Warn("no leaks are looked for", "why", err)
		return
	}
	p.leaks = leaks.NewWatch(p.workers, p.log)
}

// CheckLeaks is host check --leaks: it starts a worker of the pool, has it answer each of the URLs several times, and
// shows what that has left behind. The pool is the one named, or that of the first HTTP listener.
func CheckLeaks(t *cli.Terminal, c *config.Config, name string, urls []string, asJSON bool) error {
	closeOnExec()
	p, err := leakyPool(c, name)
	if err != nil {
		return err
	}
	var requests []*protocol.Request
	for _, text := range urls {
		r, err := leakRequest(text)
		if err != nil {
			return err
		}
		requests = append(requests, r)
	}
	c.Pools, c.Listen, c.HTTP.AccessLog = []*config.Pool{p}, nil, "off"
	if err := inspected(c); err != nil {
		return err
	}
	if c.Log.Level == "info" {
		c.Log.Level = "warn" // the page says the rest
	}
	reports, err := inspectAlone(newHost(c, newLogger(c.Log)), requests)
	if err != nil {
		return fmt.Errorf("pool %s: %w", p.Name, err)
	}
	return showLeaks(t, reports, p.Directory, asJSON)
}

// leakyPool is the pool to look at.
func leakyPool(c *config.Config, name string) (*config.Pool, error) {
	for _, l := range c.Listen {
		if name != "" || l.Protocol != "http" {
			continue
		}
		name = l.Pool
		routes, _, _ := c.RoutesOf(&l)
		for _, r := range routes {
			name = cmp.Or(name, r.Pool)
		}
	}
	p := c.Pool(name)
	switch {
	case p == nil && name == "":
		return nil, cli.Misused("--leaks: no listener speaks HTTP: name the pool with --pool")
	case p == nil:
		return nil, cli.Misused("--pool: there is no pool %q", name)
	}
	if err := canLeak(p); err != nil {
		return nil, cli.Misused("--leaks: %v", err)
	}
	return p, nil
}

// leakRequest is a GET of a URL, or of the path of one.
func leakRequest(text string) (*protocol.Request, error) {
	u, err := url.Parse(text)
	if err != nil || !strings.HasPrefix(u.EscapedPath(), "/") && (u.Host == "" || u.Path != "") ||
		u.Host != "" && u.Scheme != "http" && u.Scheme != "https" {
		return nil, cli.Misused("--leaks: expected a URL, or its path, such as /list?page=2, found %q", text)
	}
	r := warmUp(u.RequestURI())
	r.Headers, r.ID = []string{"User-Agent", r.Headers[1], "Accept", "*/*"}, "leaks"
	if u.Host != "" {
		r.Scheme, r.Host = u.Scheme, u.Host
	}
	return r, nil
}

// inspectAlone runs the only pool of a host without anything else, until the last request has been looked at.
func inspectAlone(h *host, requests []*protocol.Request) (reports []*leaks.Report, err error) {
	defer h.endNow()
	defer h.end(errStopped)
	ctx, done := cli.UntilInterrupted()
	defer done()
	defer context.AfterFunc(ctx, func() { h.end(context.Cause(ctx)) })()
	var down teardown
	defer func() {
		if err != nil {
			h.endNow() // code that does not end is not waited for
		}
		down.run()
	}()
	if err := h.build(&down); err != nil {
		return nil, err
	}
	p := h.pools()[0]
	down.add(func() { h.stopPool(p, h.now) })
	if err := p.start(h.stopping); err != nil {
		return nil, err
	}
	select {
	case <-p.workers.Started():
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := p.workers.Hopeless(); err != nil {
		return nil, err
	}
	if why := p.workers.Status().Failure; why != "" {
		return nil, errors.New(why)
	}
	return inspect(ctx, p.workers, requests)
}

func inspect(ctx context.Context, of leaks.Pool, requests []*protocol.Request) (reports []*leaks.Report, err error) {
	for _, r := range requests {
		found, err := leaks.Inspect(ctx, of, r)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", r.Method, r.Target, err)
		}
		reports = append(reports, found)
	}
	return reports, nil
}
