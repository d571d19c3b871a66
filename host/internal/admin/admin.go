// Package admin answers whoever watches the host: an orchestrator's probes, and Prometheus. It has a listener of its
// own, so that neither an overload nor a full queue keeps it from answering, and no password: it belongs on loopback
// or a private network.
//
//	GET /livez    200 as long as the host answers at all
//	GET /readyz   200 if every pool has a worker that takes requests and every listener serves, else 503,
//	              and a line for each reason; beside 200 a line for each certificate that could not be had
//	GET /metrics  for Prometheus
package admin

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
)

// Server is the admin listener.
type Server struct {
	socket net.Listener
	http   *http.Server
}

// New takes the socket over. status is asked at each probe.
func New(socket net.Listener, status func() control.Status, metrics http.Handler) *Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if why := Unready(status()); len(why) > 0 {
			say(w, http.StatusServiceUnavailable, strings.Join(why, "\n"))
			return
		}
		say(w, http.StatusOK, strings.Join(append([]string{"ready"}, Lacking(status())...), "\n"))
	})
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		say(w, http.StatusNotFound, "there are GET /livez, GET /readyz and GET /metrics")
	})
	return &Server{socket: socket, http: &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}}
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, text+"\n") // an error means that the client has gone
}

// Address is what the listener is bound to.
func (s *Server) Address() string { return s.socket.Addr().String() }

// Serve answers until Close, and then returns nil.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.socket); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Close ends everything at once: an answer is short, and whoever asked asks again. It may be called without Serve.
func (s *Server) Close() {
	s.http.Close()
	s.socket.Close() // http doesn't know it before Serve
}

// Unready says why the host should get no traffic; nothing if it should.
func Unready(st control.Status) (why []string) {
	if st.Stopping {
		why = append(why, "the host is stopping")
	}
	for _, p := range st.Pools {
		serving := 0
		for _, w := range p.Workers {
			if w.State == "idle" || w.State == "busy" {
				serving++
			}
		}
		switch {
		case serving > 0:
		case p.Failure != "":
			why = append(why, fmt.Sprintf("pool %s has no worker that takes requests; the last start failed: %s",
				p.Name, firstLine(p.Failure)))
		default:
			why = append(why, fmt.Sprintf("pool %s has no worker that takes requests yet", p.Name))
		}
	}
	for _, l := range st.Listen {
		if !l.Serving && !st.Stopping {
			why = append(why, fmt.Sprintf("listener %s does not serve yet", l.Address))
		}
	}
	return why
}

// Lacking says which certificates could not be had or renewed, and why: what is there still serves, so that the host
// should get traffic all the same.
func Lacking(st control.Status) (why []string) {
	for _, c := range st.Certificates {
		if c.Problem != "" {
			what := "no certificate for " + c.Name
			if c.Until != "" {
				what = "the certificate for " + c.Name + ", which ends at " + c.Until + ", is not renewed"
			}
			why = append(why, what+": "+firstLine(c.Problem))
		}
	}
	return why
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
