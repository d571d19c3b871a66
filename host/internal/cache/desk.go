// desk.go: purges that workers ask for (SPEC.md §20), on their way past the hub.

package cache

import (
	"fmt"

	"github.com/workerhost/workerhost/protocol"
)

// Hub has purge carry out the purges among workers' acts before the hub does the others. purge does not wait: it calls
// done when they are in effect.
func Hub(of protocol.Hub, purge func(all []*protocol.Purge, done func())) protocol.Hub {
	return &desk{of, purge}
}

// desk stands before a hub.
type desk struct {
	protocol.Hub
	purge func(all []*protocol.Purge, done func())
}

// Commit implements [protocol.Hub].
func (d *desk) Commit(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	var purges []*protocol.Purge
	for _, act := range acts {
		if m, is := act.(*protocol.Purge); is {
			if err := m.Check(); err != nil {
				done(fmt.Errorf("PURGE: %w", err))
				return
			}
			purges = append(purges, m)
		}
	}
	if len(purges) == 0 {
		d.Hub.Commit(subject, acts, done)
		return
	}
	rest := make([]protocol.Act, 0, len(acts)-len(purges))
	for _, act := range acts {
		if act.Type() != protocol.TypePurge {
			rest = append(rest, act)
		}
	}
	d.purge(purges, func() {
		if len(rest) == 0 {
			done(nil)
			return
		}
		d.Hub.Commit(subject, rest, done)
	})
}

// order is what waits to be purged; done may be nil.
type order struct {
	realm string
	what  []*protocol.Purge
	done  func()
}

// Later is [Store.Purge] for whoever can't wait: done is called when it is in effect.
func (s *Store) Later(realm string, all []*protocol.Purge, done func()) {
	for _, what := range all {
		s.tell(realm, what)
	}
	s.enqueue(order{realm, all, done})
}

// Hear purges what another host was asked to, which is not told on. It does not wait.
func (s *Store) Hear(realm string, what *protocol.Purge) {
	s.enqueue(order{realm, []*protocol.Purge{what}, nil})
}

func (s *Store) enqueue(o order) {
	s.mu.Lock()
	s.orders = append(s.orders, o)
	idle := !s.purging
	s.purging = true
	s.mu.Unlock()
	if idle {
		go s.obey() // ends when nothing waits
	}
}

// obey carries out what waits, for each realm in one go, however much that is: purges by URL look at all that is
// stored.
func (s *Store) obey() {
	for {
		s.mu.Lock()
		orders := s.orders
		s.orders, s.purging = nil, len(orders) > 0
		s.mu.Unlock()
		if len(orders) == 0 {
			return
		}
		whole := map[string]*protocol.Purge{}
		for _, o := range orders {
			all := whole[o.realm]
			if all == nil {
				all = new(protocol.Purge)
				whole[o.realm] = all
			}
			for _, what := range o.what {
				all.Tags, all.URLs = append(all.Tags, what.Tags...), append(all.URLs, what.URLs...)
				all.All = all.All || what.All
			}
		}
		for realm, what := range whole {
			s.purge(realm, what)
		}
		for _, o := range orders {
			if o.done != nil {
				o.done()
			}
		}
	}
}
