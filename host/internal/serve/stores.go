// stores.go: what workers keep in common, and their locks.

package serve

import (
	"iter"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/store"
)

// newStores makes the room of a realm's stores and locks.
func (h *host) newStores(realm string) *store.Room {
	return store.New(store.Settings{Engine: h.engine, Realm: realm, Log: h.log,
		Terms: func(name string) (store.Terms, bool) {
			s := h.setup.Load().config.Store(name)
			if s == nil {
				return store.Terms{}, false
			}
			return store.Terms{Disk: s.Kind == "disk", Sync: s.Sync, MaxSize: int64(s.MaxSize),
				Evict: s.Full == "oldest", TTL: s.TTL}, true
		}})
}

// planStores finds the changes of stores.
func (p *plan) planStores(now *config.Config) {
	for _, s := range p.config.Stores {
		of := change{table: "store " + s.Name + ":", live: true}
		if before := now.Store(s.Name); before != nil {
			p.log = append(p.log, differences(of, *before, *s)...)
		} else {
			p.log = append(p.log, of.whole("added"))
		}
	}
	for _, s := range now.Stores {
		if p.config.Store(s.Name) == nil {
			p.log = append(p.log, change{table: "store " + s.Name, live: true}.whole("removed"))
		}
	}
}

// storeCounts are those of the realms whose workers have asked for something, by their names.
func (h *host) storeCounts() iter.Seq2[string, store.Counts] {
	return func(yield func(string, store.Counts) bool) {
		for name, r := range h.setup.Load().realms {
			if n := r.stores.Counts(); len(n.Calls) > 0 && !yield(name, n) {
				return
			}
		}
	}
}
