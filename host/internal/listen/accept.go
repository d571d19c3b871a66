// How clients are accepted, and why those of TCP or UDP are not served.

package listen

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"
)

// serveTCP accepts clients until the socket is closed, and then returns nil.
func (s *Server) serveTCP() error {
	for wait := time.Duration(0); ; {
		c, who, err := s.admit(s.socket)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			var passing interface{ Temporary() bool }
			if !errors.As(err, &passing) || !passing.Temporary() {
				return err
			}
			wait = min(max(5*time.Millisecond, 2*wait), time.Second)
			s.log.Error(
				"can't accept: if too many files are open, raise the limit (ulimit -n), or lower max_connections",
				"error", err, "retry", wait.String())
			time.Sleep(wait)
			continue
		}
		wait = 0
		below := s.clients.add(c, s.crowd, who, s.socketWriteTimeout)
		var secure *tls.Config
		if s.options.TLS != nil {
			secure = s.tlsConfig()
		}
		if !s.peers.Go(func() { s.peers.Welcome(below, secure) }) { // ends with the handshake_timeout, or Close
			below.Close()
		}
	}
}

// admit accepts the next connection that the crowd and the listener have room for.
func (s *Server) admit(l net.Listener) (c net.Conn, who netip.Addr, err error) {
	for {
		if c, err = l.Accept(); err != nil {
			return nil, who, err
		}
		who, full := s.enter(c.RemoteAddr())
		if full == "" {
			return c, who, nil
		}
		s.web.TurnedAway()
		s.crowd.TurnAway(c, s.options.TLS != nil || s.options.Protocol != HTTP, full)
	}
}

// enter counts a client in among the crowd, or says which limit it would pass.
func (s *Server) enter(remote net.Addr) (who netip.Addr, full string) {
	who, full = s.crowd.Enter(remote)
	if most := s.terms.Load().MaxConnections; full == "" && most > 0 && s.Connections() >= most {
		s.crowd.Leave(who)
		full = "max_connections of the listener"
	}
	return who, full
}

// Problem says why a listener of TCP or UDP serves nobody, and what to do; "" if all is well.
func (s *Server) Problem() string {
	if s.options.Protocol == HTTP {
		return ""
	}
	return s.web.PeerTerms().Problem(s.options.Protocol)
}
