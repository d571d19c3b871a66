// http_server.go: net/http fixes the time-outs and the header limit of a server for good, so a change of theirs begins
// another server. The one before goes on with the connections that it has, and both accept at the same socket, one
// after the other.

package listen

import (
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/web"
)

// httpServer is one server of net/http. It is the net.Listener that it serves, too.
type httpServer struct {
	server  *Server
	http    *http.Server
	retired chan struct{} // closed when another one accepts
	open    atomic.Int64  // connections
}

// httpLimits are the limits that belong to net/http.
func httpLimits(l web.Limits) [3]int64 {
	return [3]int64{int64(l.MaxHeader), int64(l.HeaderTimeout), int64(l.IdleTimeout)}
}

func (s *Server) newHTTPServer(l web.Limits) *httpServer {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // over TLS, too: see listenTLS
	h := &httpServer{server: s, retired: make(chan struct{})}
	h.http = &http.Server{
		Handler:   http.HandlerFunc(s.serve),
		Protocols: protocols,
		// each connection keeps a buffer of it
		HTTP2:                        &http.HTTP2Config{MaxReadFrameSize: 16 << 10},
		ReadHeaderTimeout:            l.HeaderTimeout,
		IdleTimeout:                  l.IdleTimeout,
		MaxHeaderBytes:               l.MaxHeader,
		DisableGeneralOptionsHandler: true, // OPTIONS * is the workers' to answer
		ErrorLog:                     serverLog(s.log),
		ConnContext:                  withConn,
		ConnState:                    h.count,
	}
	return h
}

// serve handles every request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if p := s.quicNow(); p != nil {
		w.Header()["Alt-Svc"] = p.announced
	}
	if c := strictOf(r); c != nil {
		c.handles(r)
		if p := c.pending.Swap(nil); p != nil {
			s.web.Resume(w, r, c, p)
			return
		}
		s.web.Serve(w, r, c)
	} else {
		s.web.Serve(w, r, nil)
	}
}

func (h *httpServer) count(c net.Conn, state http.ConnState) {
	if strict := strictBelow(c); strict != nil {
		strict.below().note(state)
		strict.serving.Store(state == http.StateActive)
		if state == http.StateIdle {
			strict.answering.Store(false)
		}
	}
	switch state {
	case http.StateNew:
		h.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		h.open.Add(-1)
	}
}

// renew has connections from now on served under other limits. The caller holds mu.
func (s *Server) renew(l web.Limits) {
	last := s.servers[len(s.servers)-1]
	s.servers = slices.DeleteFunc(s.servers, func(h *httpServer) bool { return h != last && h.open.Load() == 0 })
	s.servers = append(s.servers, s.newHTTPServer(l))
	close(last.retired)
	if s.socket != nil && s.options.TLS == nil {
		interruptAccept(s.socket, time.Unix(1, 0))
	}
}

// current is the one that accepts. It says false once the server has been closed.
func (s *Server) current() (*httpServer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.servers[len(s.servers)-1], !s.closed
}

func (s *Server) httpServers() []*httpServer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.servers)
}

// Accept implements net.Listener.
func (h *httpServer) Accept() (net.Conn, error) {
	for {
		c, err := h.server.in.acceptUntil(h.retired)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return c, err
		}
		if !h.resume() {
			return nil, net.ErrClosed
		}
	}
}

// resume goes on after an interruption that was meant for the server before. It says false if this one has retired.
func (h *httpServer) resume() bool {
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	select {
	case <-h.retired:
		return false
	default:
		interruptAccept(h.server.socket, time.Time{})
		return true
	}
}

// Close implements net.Listener. One that has retired leaves the socket to the next one.
func (h *httpServer) Close() error {
	select {
	case <-h.retired:
		return nil
	default:
		return h.server.in.Close()
	}
}

// Addr implements net.Listener.
func (h *httpServer) Addr() net.Addr { return h.server.socket.Addr() }

// interruptAccept has an Accept under way return at t, or never.
func interruptAccept(socket net.Listener, t time.Time) {
	if l, ok := socket.(interface{ SetDeadline(time.Time) error }); ok {
		l.SetDeadline(t)
	}
}

// acceptor gives connections to the servers of net/http.
type acceptor interface {
	acceptUntil(retired <-chan struct{}) (net.Conn, error)
	Close() error
}
