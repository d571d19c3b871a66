// Package module is workers in Caddy: a handler for its Caddyfile, over a pool that is embedded.
//
//	:8080 {
//		workerhost php worker.php {
//			directory /srv/app
//			workers 8
//		}
//	}
//
// A Caddy reload starts a new pool, and stops the old one once its requests have ended.
package module

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/workerhost/workerhost/host/httppool"
	"github.com/workerhost/workerhost/workers"
)

func init() {
	caddy.RegisterModule(new(Handler))
	httpcaddyfile.RegisterHandlerDirective("workerhost", parse)
	httpcaddyfile.RegisterDirectiveOrder("workerhost", httpcaddyfile.Before, "file_server")
}

// Handler has workers answer the requests that reach it.
type Handler struct {
	Command   []string `json:"command"`             // the program of a worker and its arguments
	Directory string   `json:"directory,omitempty"` // where it runs; Caddy's own
	Workers   int      `json:"workers,omitempty"`   // how many; 2 for each CPU, at least 4

	pool    *httppool.Pool
	handler http.Handler
}

// CaddyModule implements [caddy.Module].
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.workerhost", New: func() caddy.Module { return new(Handler) }}
}

// Provision implements [caddy.Provisioner].
func (h *Handler) Provision(ctx caddy.Context) error {
	pool, err := httppool.New(workers.Settings{Command: h.Command, Directory: h.Directory, Workers: h.Workers},
		httppool.Options{Logger: slog.Default()})
	if err != nil {
		return err
	}
	if err := pool.Start(ctx); err != nil {
		return err
	}
	h.pool, h.handler = pool, pool.Handler()
	return nil
}

// Cleanup implements [caddy.CleanerUpper].
func (h *Handler) Cleanup() error {
	if h.pool != nil {
		h.pool.Stop(context.Background())
	}
	return nil
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	h.handler.ServeHTTP(w, r)
	return nil
}

// UnmarshalCaddyfile implements [caddyfile.Unmarshaler].
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if h.Command = d.RemainingArgs(); len(h.Command) == 0 {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		key := d.Val()
		var value string
		if !d.Args(&value) {
			return d.ArgErr()
		}
		switch key {
		case "directory":
			h.Directory = value
		case "workers":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 {
				return d.Errf("workers: expected a number from 1, found %q", value)
			}
			h.Workers = n
		default:
			return d.Errf("unknown setting %q: there are directory and workers", key)
		}
	}
	return nil
}

func parse(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	return handler, handler.UnmarshalCaddyfile(h.Dispenser)
}
