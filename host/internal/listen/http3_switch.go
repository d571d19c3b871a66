// A listener takes up HTTP/3 and gives it up while it serves. Whoever is connected then finishes what is under way, as
// long as that takes, and the port for UDP is given back when nobody is left.

package listen

import "time"

// quicNow is the port that lets clients in; nil if there is none.
func (s *Server) quicNow() *quicPort {
	if !s.terms.Load().HTTP3 {
		return nil
	}
	return s.quic.Load()
}

// quicCount is how many are connected, to a port that lets nobody in any more, too.
func (s *Server) quicCount() int {
	p := s.quic.Load()
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// keepQUIC binds the port for terms that want HTTP/3, or has what is left of it stay. dropQUIC or turnQUIC follows.
func (s *Server) keepQUIC() (*quicPort, error) {
	if p := s.quic.Load(); p != nil {
		if p.keep() {
			return p, nil
		}
		<-p.gone
	}
	socket, err := s.bindQUIC()
	if err != nil {
		return nil, err
	}
	p := s.newQUIC(socket)
	p.keep()
	return p, nil
}

// keep has the port stay though it may be empty, until letGo. It says false if that is too late.
func (p *quicPort) keep() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.kept++
	}
	return !p.closed
}

func (p *quicPort) letGo() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept--
}

// dropQUIC says that the terms which f was kept for do not come. The caller holds mu.
func (s *Server) dropQUIC(p *quicPort) {
	p.letGo()
	if s.quic.Load() == p {
		s.retireQUIC(p)
	} else {
		p.close() // nobody has ever been connected
	}
}

// turnQUIC has clients let in by f, which was kept, or by none any more. The caller holds mu.
func (s *Server) turnQUIC(p *quicPort) {
	if p == nil {
		if p = s.quic.Load(); p != nil {
			p.end()
			s.retireQUIC(p)
		}
		return
	}
	p.letGo()
	s.quic.Store(p)
	if s.serving {
		s.serveQUIC(p)
	}
}

// serveQUIC has f let clients in, if that is wanted, as soon as nobody else reads there. The caller holds mu.
func (s *Server) serveQUIC(p *quicPort) {
	if p == nil || s.left {
		return
	}
	if alone := s.options.Bound.Alone; alone != nil {
		select {
		case <-alone:
		default:
			s.retiring.Go(func() { s.serveQUICAfter(alone) })
			return
		}
	}
	if err := p.serve(); err != nil {
		s.log.Error("clients of HTTP/3 can't be served", "error", err)
	}
}

// serveQUICAfter ends with the listener, if not before.
func (s *Server) serveQUICAfter(alone <-chan struct{}) {
	select {
	case <-alone:
	case <-s.ending:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.quicNow(); !s.closed {
		s.serveQUIC(p)
	}
}

// retireQUIC closes a port that nobody wants any more, once it is empty. The caller holds mu.
func (s *Server) retireQUIC(p *quicPort) {
	if s.closed {
		return // Close has it
	}
	s.retiring.Go(func() { // ends with the last connection, when the port is wanted again, or with the listener
		look := time.NewTicker(partingLook)
		defer look.Stop()
		for now := time.Now(); p.unwanted(); now = time.Now() {
			for _, c := range p.list() {
				c.part(now)
			}
			if p.count() == 0 {
				p.close()
				s.quic.CompareAndSwap(p, nil)
				return
			}
			select {
			case <-look.C:
			case <-s.ending:
				return
			}
		}
	})
}

func (p *quicPort) unwanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener == nil && p.kept == 0 && !p.closed
}

func (p *quicPort) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}
