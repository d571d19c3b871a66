// The pool and its settings.

package httppool

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/workers"
)

// Options say within which limits requests are taken. Zero values stand for the defaults given here. Sizes are in
// bytes, and a time-out runs anew with each progress.
type Options struct {
	MaxBody         int64         // largest body of a request; beyond it 413; 1 GiB
	ReadTimeout     time.Duration // time without a byte of a body before the answer; 30 s; less than 0 is without
	BodyBuffer      int64         // part of a request's body that is kept in memory; 1 MiB
	ResponseBuffer  int64         // part of a response kept in memory for a slow client; 1 MiB
	MaxFormFiles    int           // most files in one form; 64
	MaxFormFileSize int64         // largest file in a form; 256 MiB
	MaxFormFields   int           // most other fields in one form; 1000
	SpoolDirectory  string        // where bodies too large for memory wait; the temporary directory
	SpoolQuota      int64         // disk that they may take together; 4 GiB

	// Public is a folder of static files, which are served before the workers are asked; "" is none. Dotfiles and PHP
	// code in it are not served.
	Public string
	// Dev has error pages show details.
	Dev bool
	// Logger is told what happens; nil is nobody, unless the pool's settings have a logger of their own.
	Logger *slog.Logger
}

// Pool is a pool of workers that serves HTTP. Its methods are safe for concurrent use.
type Pool struct {
	*workers.Pool
	web *web.Handler
}

// New makes a pool, which serves once Start was called. An error says which setting is wrong, or why Public can't be
// served.
func New(s workers.Settings, o Options) (*Pool, error) {
	if s.Logger == nil {
		s.Logger = loggerOver(o.Logger)
	}
	pool, err := workers.New(s)
	if err != nil {
		return nil, err
	}
	quota := o.SpoolQuota
	if quota == 0 {
		quota = 4 << 30
	}
	handler := web.New(web.Options{
		Spool: spool.New(o.SpoolDirectory, quota, s.Logger), Dev: o.Dev, Logger: s.Logger,
	}, web.Terms{Backend: hub.Backend(pool), Limits: o.limits(), Public: o.Public})
	if err := handler.Reload(); err != nil {
		return nil, err
	}
	return &Pool{pool, handler}, nil
}

func (o *Options) limits() web.Limits {
	l := web.DefaultLimits()
	set(&l.MaxBody, o.MaxBody)
	set(&l.BodyBuffer, o.BodyBuffer)
	set(&l.ResponseBuffer, o.ResponseBuffer)
	set(&l.MaxFormFiles, o.MaxFormFiles)
	set(&l.MaxFormFileSize, o.MaxFormFileSize)
	set(&l.MaxFormFields, o.MaxFormFields)
	set(&l.ReadTimeout, o.ReadTimeout)
	l.WriteTimeout = 0 // the server's
	return l
}

// set replaces a default; less than 0 becomes 0, which is for ever.
func set[T int | int64 | time.Duration](limit *T, to T) {
	if to != 0 {
		*limit = max(0, to)
	}
}

// Handler answers requests by the workers. Where a connection has to be cut, since its response can't be whole, it
// panics with [http.ErrAbortHandler], as handlers of net/http do.
func (p *Pool) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.web.Serve(w, r, nil) })
}

// Stop ends the pool as [workers.Pool.Stop] does, whose result it returns, and lets go of the public folder. Requests
// that come after it get a 503.
func (p *Pool) Stop(ctx context.Context) (cut []string) {
	cut = p.Pool.Stop(ctx)
	p.web.Close()
	return cut
}

// loggerOver is a logger for the pool that speaks to log.
func loggerOver(log *slog.Logger) hclog.Logger {
	if log == nil {
		return hclog.NewNullLogger()
	}
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Trace, Output: nowhere{}})
	l.RegisterSink(sink{log})
	return l
}

// nowhere is where the text goes that nobody reads, since a sink has the same.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// sink gives slog what hclog was told.
type sink struct{ log *slog.Logger }

// Accept implements [hclog.SinkAdapter].
func (s sink) Accept(name string, level hclog.Level, message string, args ...any) {
	severity := slog.LevelError
	switch level {
	case hclog.Trace, hclog.Debug:
		severity = slog.LevelDebug
	case hclog.Info, hclog.NoLevel:
		severity = slog.LevelInfo
	case hclog.Warn:
		severity = slog.LevelWarn
	}
	if s.log.Enabled(context.Background(), severity) {
		s.log.Log(context.Background(), severity, message, args...)
	}
}
