package admin

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
)

func serving(states ...string) control.Status {
	p := control.Pool{Name: "app"}
	for _, s := range states {
		p.Workers = append(p.Workers, control.Worker{State: s})
	}
	return control.Status{Pools: []control.Pool{p},
		Listen: []control.Listener{{Address: "127.0.0.1:80", Serving: true}}}
}

func TestReadinessIsRedWhereAPoolCannotServe(t *testing.T) {
	failed := serving("backing-off")
	failed.Pools[0].Failure = "Uncaught Error: no database\n#0 worker.php(3)"
	stopping := serving("busy")
	stopping.Stopping = true
	unserved := serving("idle")
	unserved.Listen[0].Serving = false
	for _, c := range []struct {
		name string
		st   control.Status
		says string // "" is ready
	}{
		{"one idle", serving("backing-off", "idle"), ""},
		{"all busy", serving("busy", "busy"), ""},
		{"booting", serving("starting"), "pool app has no worker that takes requests yet"},
		{"only an old one that drains", serving("starting", "draining"), "no worker that takes requests yet"},
		{"broken", failed, "the last start failed: Uncaught Error: no database"},
		{"stopping", stopping, "the host is stopping"},
		{"listener waits", unserved, "listener 127.0.0.1:80 does not serve yet"},
	} {
		why := strings.Join(Unready(c.st), "\n")
		if (c.says == "") != (why == "") || !strings.Contains(why, c.says) || strings.Contains(why, "#0") {
			t.Errorf("%s: %q", c.name, why)
		}
	}
}

func TestProbesAreAnswered(t *testing.T) {
	var state atomic.Value
	state.Store("idle")
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(socket, func() control.Status { return serving(state.Load().(string)) }, http.NotFoundHandler())
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	ask := func(path string) (int, string) {
		r, err := http.Get("http://" + s.Address() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(b)
	}
	for _, c := range []struct {
		path, state string
		status      int
	}{{"/livez", "starting", 200}, {"/readyz", "starting", 503}, {"/readyz", "idle", 200}, {"/else", "idle", 404}} {
		state.Store(c.state)
		if got, text := ask(c.path); got != c.status {
			t.Errorf("%s while %s: %d %s", c.path, c.state, got, text)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	s.Close()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}
