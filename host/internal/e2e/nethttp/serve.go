// Package nethttp holds that a handler of package net/http is the same to its clients under net/http's own server and
// in a worker behind the host: one list of requests, each asked of both, all in this process. Other packages of tests
// compare programs of theirs by it.
package nethttp

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/fetch"
	"github.com/workerhost/workerhost/host/internal/fetch/place"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
	sdk "github.com/workerhost/workerhost/sdk-go"
	"github.com/workerhost/workerhost/workers"
)

// loops are for all lanes; they are there before a test counts goroutines, and until the process ends.
var loops, _ = loop.New()

// Plain serves handler by net/http's own server, with HTTP/2 in cleartext as the host has it, and gives its address.
func Plain(t testing.TB, handler http.Handler) string {
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// Behind serves handler by a worker behind the host, on the lane where there is one or without it, and gives its
// address.
func Behind(t testing.TB, handler http.Handler, lane bool) string {
	t.Helper()
	return behind(t, &sdk.Worker{Handler: handler}, lane, nil)
}

// behind serves a worker whose fetches are a room's; nil is none.
func behind(t testing.TB, worker *sdk.Worker, lane bool, allow []place.Place) string {
	t.Helper()
	logger := hclog.New(&hclog.LoggerOptions{Output: told{t}, Level: hclog.Debug})
	settings := workers.Settings{Launcher: inside{worker}, Workers: 1, Logger: logger}
	room := fetch.NewRoom("test", logger)
	if allow != nil {
		settings.Terms = room.Terms(fetch.Settings{Allow: allow, AtOnce: 10, PerHost: 10, MaxBody: 1 << 20,
			Keep: 1 << 10})
		settings.Features = []string{protocol.FeatureFetch}
	}
	pool, err := workers.New(settings)
	room.StandBefore(pool)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-pool.Started()
	o := listen.Options{Address: "127.0.0.1:0", Spool: spool.New(t.TempDir(), 1<<30, logger),
		Logger: logger, Terms: listen.Terms{Terms: web.Terms{Backend: room, Limits: web.DefaultLimits()}}}
	if lane {
		o.Loops = loops
	}
	s, err := listen.New(o)
	if err == nil {
		err = s.Listen()
	}
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		room.Close(ctx, 5*time.Second, 0)
		pool.Stop(ctx)
		o.Spool.Close()
	})
	return s.Address()
}

// told is a test's log.
type told struct{ testing.TB }

func (t told) Write(b []byte) (int, error) {
	t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// inside launches workers that are no processes: what they are made of runs here.
type inside struct{ worker *sdk.Worker }

// Launch implements [workers.Launcher].
func (i inside) Launch(workers.Launch) (workers.Process, error) {
	workerIn, hostOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	hostIn, workerOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &process{from: hostIn, to: protocol.Pipe{File: hostOut}, in: workerIn, out: workerOut,
		gone: make(chan struct{})}
	go func() { // ends with the link
		defer close(p.gone)
		_ = i.worker.ServeLink(workerIn, protocol.Pipe{File: workerOut})
	}()
	return p, nil
}

// process implements [workers.Process].
type process struct {
	from    *os.File
	to      io.WriteCloser
	in, out *os.File
	once    sync.Once
	gone    chan struct{}
}

func (p *process) PID() int                            { return 0 }
func (p *process) Frames() (io.Reader, io.WriteCloser) { return protocol.Pipe{File: p.from}, p.to }
func (p *process) Stderr() io.Reader                   { return strings.NewReader("") }
func (p *process) Terminate()                          { p.Kill() }
func (p *process) Kill()                               { p.once.Do(func() { p.in.Close(); p.out.Close() }) }
func (p *process) AskBacktrace(int) bool               { return false }
func (p *process) KernelState() string                 { return "" }
func (p *process) Expire(at time.Time)                 { p.from.SetReadDeadline(at) }
func (p *process) Unread() int                         { return -1 }
func (p *process) CPU() time.Duration                  { return 0 }
func (p *process) Memory() int64                       { return 0 }
func (p *process) Close()                              { p.from.Close() }
func (p *process) Wait() string {
	<-p.gone
	return "exit status 0"
}

// leaked fails a test that leaves goroutines behind.
func leaked(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for until := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(until) {
				stacks := make([]byte, 1<<20)
				t.Errorf("leaked goroutines:\n%s", stacks[:runtime.Stack(stacks, true)])
				return
			}
		}
	})
}
