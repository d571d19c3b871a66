// Terms: what a listener serves under. They change while clients stay connected.

package listen

import (
	"errors"
	"time"

	"github.com/workerhost/workerhost/host/internal/web"
)

// Terms are what a listener serves under, and all that a reload may change of it. Whether there is TLS stays.
type Terms struct {
	web.Terms
	TLS            *TLS // nil: there is none
	HTTP3          bool // at the same port over UDP; with TLS alone
	Socket         SocketFile
	MaxConnections int // of this listener; 0 is without a limit of its own, and those that are open stay
}

// certify notes whether clients are asked for certificates here.
func (t *Terms) certify() { t.Certified = t.TLS != nil && t.TLS.ClientCA != "" }

func (s *Server) writeTimeout() time.Duration { return s.web.Terms().Limits.WriteTimeout }

// socketWriteTimeout is that of long-lived connections.
func (s *Server) socketWriteTimeout() time.Duration { return s.web.Terms().Sockets.WriteTimeout }

// Prepared are terms whose files have been read, so that nothing can fail any more. Apply or Discard ends it.
type Prepared struct {
	server *Server
	terms  Terms
	keys   *keys
	quic   *quicPort // for HTTP/3; nil: without
	web    *web.Prepared
}

// Prepare reads the files that new terms need, and changes nothing.
func (s *Server) Prepare(t Terms) (*Prepared, error) {
	if (t.TLS == nil) != (s.options.TLS == nil) {
		return nil, errors.New("a listener can't take up or give up TLS while it serves: restart the host")
	}
	t.certify()
	p := &Prepared{server: s, terms: t}
	var err error
	if t.TLS != nil {
		if p.keys, err = readKeys(t.TLS); err != nil {
			return nil, err
		}
	}
	if t.HTTP3 {
		if p.quic, err = s.keepQUIC(); err != nil {
			return nil, err
		}
	}
	if p.web, err = s.web.Prepare(t.Terms); err != nil {
		p.dropQUIC()
		return nil, err
	}
	return p, nil
}

// Discard forgets them.
func (p *Prepared) Discard() {
	p.dropQUIC()
	p.web.Discard()
}

func (p *Prepared) dropQUIC() {
	if p.quic != nil {
		p.server.mu.Lock()
		defer p.server.mu.Unlock()
		p.server.dropQUIC(p.quic)
	}
}

// Apply has the terms count for every request that begins from now on. settled is closed when the last one that began
// before has ended.
func (p *Prepared) Apply() (settled <-chan struct{}) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && p.keys != nil {
		s.keys.Store(p.keys)
	}
	before := s.terms.Swap(&p.terms)
	if !s.closed && before.Socket != p.terms.Socket {
		if err := p.terms.Socket.grant(s.options.Address); err != nil {
			s.log.Error("the socket's file stays as it was", "error", err)
		}
	}
	if !s.closed {
		s.turnQUIC(p.quic)
	} else if p.quic != nil {
		s.dropQUIC(p.quic)
	}
	settled = p.web.Apply()
	if !s.closed && s.options.Protocol == HTTP && httpLimits(before.Limits) != httpLimits(p.terms.Limits) {
		s.renew(p.terms.Limits)
	}
	return settled
}
