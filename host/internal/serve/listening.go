// listening.go: what the listeners of a configuration are made of, and how they are served.

package serve

import (
	"fmt"
	"os"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/host/internal/web"
)

// listenOptions says what a listener does for its pools.
func (h *host) listenOptions(made *setup, l config.Listen) (listen.Options, error) {
	c := made.config
	terms, err := h.listenTerms(made, l)
	o := listen.Options{
		Address: l.Address, Protocol: l.Protocol, Spool: h.spool, Crowd: h.crowd, Dev: c.Dev,
		Logger: h.log.With("listener", l.Address), Terms: terms, Shut: h.maintenance.Shuts,
	}
	if err == nil {
		o.Bound, err = h.upgrade.bound(placeOf(&l))
	}
	o.Packets = func() (*os.File, error) { return h.upgrade.passed.Take(l.Address, true) }
	if c.HTTP.Lane {
		o.Loops = h.loops
	}
	if pools := poolsOf(made, &l); h.watch != watchOff && c.Dev && len(pools) > 0 {
		o.Fault = pools[0].lastFault
	}
	return o, err
}

// listenTerms are those of a listener's options that a reload may change.
func (h *host) listenTerms(made *setup, l config.Listen) (t listen.Terms, err error) {
	c, g := made.config, made.edge
	p := ownPool(made, &l)
	if l.Pool != "" && p.name != l.Pool {
		return t, fmt.Errorf("listener %s: there is no pool %q", l.Address, l.Pool)
	}
	t = listen.Terms{MaxConnections: l.MaxConns, HTTP3: l.HTTP3, Terms: web.Terms{
		Backend: p.backend(), Hub: p.realm.hub, Limits: listenLimits(c.HTTP),
		Framing: framing(&l.Sockets), Sockets: socketLimits(&l.Sockets),
		Access: g.access, Tracer: g.traces.tracer, RequestID: g.id, RateLimit: g.rates[""].limit, Proxies: g.proxies,
		Compression: compression(&c.HTTP.Compression), ErrorPages: errorPages(c, nil),
	}}
	if l.TLS == nil {
		t.Challenge = h.certificates.Challenge
	}
	t.Socket.Mode, t.Socket.UID, t.Socket.GID = l.Access()
	if l.TLS != nil {
		t.TLS = &listen.TLS{ClientCA: l.TLS.ClientCA, Require: l.TLS.Require}
		if l.TLS.Auto {
			t.TLS.Source = h.certificates
		}
		for _, pair := range l.TLS.Pairs() {
			t.TLS.Files = append(t.TLS.Files, listen.TLSFiles(pair))
		}
	}
	if t.Routes, err = routesOf(made, &l, &t.Terms); err != nil {
		return t, fmt.Errorf("listener %s: %w", l.Address, err)
	}
	if l.Pool != "" {
		publicTerms(&t.Terms, c, c.Pool(l.Pool))
		t.Releases = p.filesOf(t.Public)
	}
	return t, nil
}

func listenLimits(c config.HTTP) web.Limits {
	return web.Limits{
		MaxHeader: int(c.MaxHeader), MaxBody: int64(c.MaxBody),
		HeaderTimeout: c.HeaderTimeout, ReadTimeout: c.ReadTimeout, WriteTimeout: c.WriteTimeout,
		IdleTimeout: c.IdleTimeout,
		BodyBuffer:  int64(c.BodyBuffer), ResponseBuffer: int64(c.ResponseBuffer),
		MaxFormFiles: c.MaxFormFiles, MaxFormFileSize: int64(c.MaxFormFileSize), MaxFormFields: c.MaxFormFields,
	}
}

// serveListener serves a listener until it is shut down.
func (h *host) serveListener(l *listener) error {
	l.serving.Store(true)
	defer l.serving.Store(false)
	where := []any{"address", l.server.Address(), "protocol", l.protocol(), "pool", l.config.Pool}
	if l.config.HTTP3 {
		where = append(where, "http3", true)
	}
	h.log.Info("listening", where...)
	if err := l.server.Serve(); err != nil {
		return fmt.Errorf("listener %s failed: %w", l.server.Address(), err)
	}
	return nil
}

func (l *listener) protocol() string {
	switch {
	case l.config.TLS == nil:
		return l.config.Protocol
	case l.config.Protocol == listen.HTTP:
		return "https"
	}
	return l.config.Protocol + " over TLS"
}
