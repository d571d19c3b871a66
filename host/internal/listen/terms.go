// Terms: what requests are served under. They change while clients stay connected: a request keeps the terms that it began with, and the next one on
// the same connection finds the new ones.

package listen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
)

// Terms are what a listener serves under, and all that a reload may change of it. Whether there is TLS stays.
type Terms struct {
	Backend hub.Backend
	Limits  Limits
	Sockets peer.SocketLimits
	Framing peer.Framing // of TCP connections that begin from now on
	Public  string       // folder of static files, served before the Backend is asked; "" is off
	TLS     *TLSFiles    // nil: plain HTTP

	MaxConnections int              // of this listener; 0 is without a limit of its own, and those that are open stay
	Proxies        *guard.Proxies   // nil: forwarding headers are the workers' to judge
	RateLimit      *guard.RateLimit // shared by all listeners of a host; nil is off
	Access         *AccessLog       // shared by all listeners of a host; nil is off
	RequestID      string           // the header that carries a request's id both ways, in its canonical form; "" is off
}

// terms count who is served under them. They are replaced as a whole.
type terms struct {
	Terms
	peers peer.Terms    // of long-lived connections
	users atomic.Int64  // requests under way, plus one until they are replaced
	idle  chan struct{} // closed when nobody is left
}

func newTerms(t Terms) *terms {
	counted := &terms{Terms: t, idle: make(chan struct{})}
	counted.peers = peer.NewTerms(&counted.Sockets, counted.Framing, t.Backend)
	counted.users.Store(1)
	return counted
}

// enter gives the terms of a request that begins now; it calls release when it has ended.
func (s *Server) enter() *terms {
	for {
		t := s.terms.Load()
		for n := t.users.Load(); n > 0; n = t.users.Load() {
			if t.users.CompareAndSwap(n, n+1) {
				return t
			}
		}
		// they were replaced this very moment
	}
}

func (s *Server) writeTimeout() time.Duration { return s.terms.Load().Limits.WriteTimeout }

// socketWriteTimeout is that of long-lived connections.
func (s *Server) socketWriteTimeout() time.Duration { return s.terms.Load().Sockets.WriteTimeout }

// keep has the terms, which somebody holds, held once more.
func (t *terms) keep() *terms {
	t.users.Add(1)
	return t
}

func (t *terms) release() {
	if t.users.Add(-1) == 0 {
		close(t.idle)
	}
}

// Prepared are terms whose files have been read, so that nothing can fail any more. Apply or Discard ends it.
type Prepared struct {
	server      *Server
	terms       Terms
	certificate *tls.Certificate
	public      *folder
}

// Prepare reads the files that new terms need, and changes nothing.
func (s *Server) Prepare(t Terms) (*Prepared, error) {
	if (t.TLS == nil) != (s.options.TLS == nil) {
		return nil, errors.New("a listener can't take up or give up TLS while it serves: restart the host")
	}
	p := &Prepared{server: s, terms: t}
	var err error
	if t.TLS != nil {
		if p.certificate, err = readCertificate(t.TLS); err != nil {
			return nil, err
		}
	}
	if t.Public != "" {
		if p.public, err = openFolder(t.Public); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Discard forgets them.
func (p *Prepared) Discard() {
	if p.public != nil {
		p.public.close()
	}
}

// Apply has the terms count for every request that begins from now on. settled is closed when the last one that began before has ended.
func (p *Prepared) Apply() (settled <-chan struct{}) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		p.Discard()
	} else {
		if p.certificate != nil {
			s.certificate.Store(p.certificate)
		}
		if old := s.public.Swap(p.public); old != nil {
			old.close()
		}
	}
	now := newTerms(p.terms)
	old := s.terms.Swap(now)
	if s.options.Hub != nil {
		s.peers.Retune(&old.peers, &now.peers)
	}
	old.release()
	if !s.closed && s.options.Protocol == HTTP && frontLimits(old.Limits) != frontLimits(p.terms.Limits) {
		s.renew(p.terms.Limits)
	}
	return old.idle
}

func readCertificate(files *TLSFiles) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", files.Certificate, files.Key, err)
	}
	return &pair, nil
}
