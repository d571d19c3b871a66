// cache.go: answers that are stored before the pools of routes which ask for that.

package serve

import (
	"github.com/workerhost/workerhost/host/internal/cache"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// cacheFor is the store of a configuration, which takes the place of old; nil if no route stores anything.
func (h *host) cacheFor(c *config.Config, old *cache.Store) *cache.Store {
	if !c.Caches() {
		return nil
	}
	if old == nil {
		old = cache.NewStore(int64(c.HTTP.CacheSize))
		if h.cluster != nil {
			old.Tell = h.cluster.Purge
		}
	}
	return old
}

// closeCache forgets what is stored, unless next is the same.
func (s *setup) closeCache(next *cache.Store) {
	if s.cache != nil && s.cache != next {
		s.cache.Close()
	}
}

// sizeCache puts the size of the configuration into effect.
func (s *setup) sizeCache() {
	if s.cache != nil {
		s.cache.Resize(int64(s.config.HTTP.CacheSize))
	}
}

// cached stands before a pool, for a route that stores its answers.
func (s *setup) cached(p *pool, r *config.Route) hub.Backend {
	c := r.Cache
	return s.cache.Room(p.backend(), cache.Room{
		Settings: cache.Settings{DefaultTTL: c.DefaultTTL, HarmlessCookies: c.HarmlessCookies,
			StaleIfError: c.StaleIfError, KeepOnReload: c.KeepOnReload, MaxBody: int64(c.MaxBody),
			PurgeFrom: c.Purgers()},
		Realm: s.nameOf(p.realm), Pool: p.name, Route: r.Name, Strip: r.Strip, Apart: p.split.Apart,
	})
}

// went notes which code of a pool is live from now on.
func (s *setup) went(p *pool) {
	if s.cache != nil {
		s.cache.Went(p.name, p.live())
	}
}

// cached is what became of requests of routes that store answers; is: there are any.
func (h *host) cached() (n cache.Counts, is bool) {
	if s := h.setup.Load().cache; s != nil {
		return s.Counts(), true
	}
	return n, false
}

// purges stands before what the workers of a realm ask of connections. name is what it is called before any setup has
// it.
func (h *host) purges(r *realm, name string) protocol.Hub {
	return cache.Hub(r.whole(), func(all []*protocol.Purge, done func()) {
		now, of := h.setup.Load(), name
		for is, other := range now.realms {
			if other == r {
				of = is
			}
		}
		h.purge(now.cache, of, all, done)
	})
}

// purge has all hosts forget; done is called when this one has.
func (h *host) purge(from *cache.Store, realm string, all []*protocol.Purge, done func()) {
	if from != nil {
		from.Later(realm, all, done)
		return
	}
	if h.cluster != nil {
		for _, m := range all {
			h.cluster.Purge(realm, m)
		}
	}
	done()
}

// hearPurge forgets what another host of the cluster was asked to.
func (h *host) hearPurge(realm string, m *protocol.Purge) {
	if s := h.setup.Load().cache; s != nil {
		s.Hear(realm, m)
	}
}
