// Terms: what requests are served under. They change while clients stay connected: a request keeps the terms that it began with, and the next one on
// the same connection finds the new ones.

package listen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
)

// terms never change. They are replaced as a whole.
type terms struct {
	backend Backend
	limits  Limits
	sockets SocketLimits
	held    *hub.Terms    // for long-lived connections
	framing Framing       // of TCP connections that begin
	most    int           // connections of the listener; 0 is without a limit
	proxies *Proxies      // nil: forwarding headers are the workers' to judge
	rate    *RateLimit    // nil is off
	access  *AccessLog    // nil is off
	id      string        // the header of a request's id; "" is off
	users   atomic.Int64  // requests under way, plus one until they are replaced
	idle    chan struct{} // closed when nobody is left
}

func newTerms(c Change) *terms {
	t := &terms{backend: c.Backend, limits: c.Limits, sockets: c.Sockets, held: c.Sockets.hubTerms(c.Backend), framing: c.Framing, most: c.MaxConnections, proxies: c.Proxies, rate: c.RateLimit, access: c.Access, id: c.RequestID, idle: make(chan struct{})}
	t.users.Store(1)
	return t
}

// hold gives the terms of a request that begins now; it calls release when it has ended.
func (s *Server) hold() *terms {
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

func (s *Server) writeTimeout() time.Duration { return s.terms.Load().limits.WriteTimeout }

// socketWriteTimeout is that of long-lived connections.
func (s *Server) socketWriteTimeout() time.Duration { return s.terms.Load().sockets.WriteTimeout }

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

// Change is what a listener is to do from now on. Its address, its protocol, and whether it speaks TLS, stay.
type Change struct {
	Backend Backend
	Limits  Limits
	Sockets SocketLimits
	Framing Framing // of TCP connections that begin from now on
	Public  string
	TLS     *TLSFiles

	MaxConnections int // of this listener; those that are open stay
	Proxies        *Proxies
	RateLimit      *RateLimit
	Access         *AccessLog
	RequestID      string
}

// change is what the options say of what can change.
func (o *Options) change() Change {
	return Change{
		Backend: o.Backend, Limits: o.Limits, Sockets: o.Sockets, Framing: o.Framing, Public: o.Public, TLS: o.TLS,
		MaxConnections: o.MaxConnections, Proxies: o.Proxies, RateLimit: o.RateLimit, Access: o.Access, RequestID: o.RequestID,
	}
}

// Prepared is a change whose files have been read, so that nothing can fail any more. Apply or Discard ends it.
type Prepared struct {
	server      *Server
	change      Change
	certificate *tls.Certificate
	public      *folder
}

// PrepareOptions is Prepare for what can change of o.
func (s *Server) PrepareOptions(o Options) (*Prepared, error) { return s.Prepare(o.change()) }

// Prepare reads what a change needs, and changes nothing.
func (s *Server) Prepare(c Change) (*Prepared, error) {
	if (c.TLS == nil) != (s.options.TLS == nil) {
		return nil, errors.New("a listener can't take up or give up TLS while it serves: restart the host")
	}
	p := &Prepared{server: s, change: c}
	var err error
	if c.TLS != nil {
		if p.certificate, err = readCertificate(c.TLS); err != nil {
			return nil, err
		}
	}
	if c.Public != "" {
		if p.public, err = openFolder(c.Public); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Discard forgets the change.
func (p *Prepared) Discard() {
	if p.public != nil {
		p.public.close()
	}
}

// Apply has the change count for every request that begins from now on. settled is closed when the last one that began before has ended.
func (p *Prepared) Apply() (settled <-chan struct{}) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		p.Discard()
	} else {
		s.publicPath, s.tlsFiles = p.change.Public, p.change.TLS
		if p.certificate != nil {
			s.certificate.Store(p.certificate)
		}
		if old := s.public.Swap(p.public); old != nil {
			old.close()
		}
	}
	now := newTerms(p.change)
	old := s.terms.Swap(now)
	if s.options.Hub != nil {
		s.options.Hub.Retune(old.held, now.held)
	}
	old.release()
	if !s.closed && s.options.Protocol == HTTP && frontLimits(old.limits) != frontLimits(p.change.Limits) {
		s.renew(p.change.Limits)
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
