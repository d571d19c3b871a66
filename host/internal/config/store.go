// store.go has [store.NAME].

package config

import (
	"maps"
	"slices"
	"time"
)

// Store says how the values of a store are kept that workers ask for by its name. Each realm has one of its own.
type Store struct {
	Name    string
	Kind    string        `key:"kind" default:"memory" oneof:"memory disk" means:"where its values are: memory is lost when the host ends, also for an upgrade. One whose kind changes begins empty, and finds what it had when it changes back"`
	Sync    bool          `key:"sync" default:"false" means:"for disk: whether a change is on the disk before it is confirmed, which takes milliseconds; without it a host that is killed loses those of the last milliseconds, and a power failure more"`
	MaxSize Size          `key:"max_size" default:"64MiB" min:"64KiB" means:"how much its values may take, with about 100 bytes for each; set aside of [engine] max_memory or max_disk when it is first used"`
	Full    string        `key:"full" default:"fail" oneof:"fail oldest" means:"what happens when it is full: what is new fails, or what was written longest ago goes"`
	TTL     time.Duration `key:"ttl" default:"0" min:"0" means:"how long a value stays whose worker does not say; 0 is for ever"`

	at string
}

// mostStores bounds what is declared.
const mostStores = 200

func (d *decoder) stores(at string, v any) (all []*Store) {
	table, ok := v.(map[string]any)
	if !ok {
		d.fail(at, "expected a table for each store, found %s: write [store.NAME], for example [store.cache]",
			describe(v))
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		s := &Store{Name: name, at: join(at, name)}
		if !poolName.MatchString(name) {
			d.fail(s.at, "%q is no name for a store: use a-z, 0-9, - and _, beginning with a letter or a digit", name)
			continue
		}
		setDefaults(s)
		d.table(s.at, table[name], s)
		all = append(all, s)
	}
	return all
}

func (c *Config) checkStores(fail fail) {
	if len(c.Stores) > mostStores {
		fail("", "expected at most %d stores", mostStores)
	}
	for _, s := range c.Stores {
		if s.Sync && s.Kind != "disk" {
			fail(s.at+".sync", "is for kind = \"disk\": write that, or remove sync")
		}
		most, key := c.Engine.MaxMemory, "max_memory"
		if s.Kind == "disk" {
			most, key = c.Engine.MaxDisk, "max_disk"
		}
		if c.Engine.URL == "" && s.MaxSize > most {
			fail(s.at+".max_size", "is more than [engine] %s has for all, %v: raise that, or write less", key, most)
		}
	}
}

// Store is what the file has of a store; nil if nothing.
func (c *Config) Store(name string) *Store {
	i, found := slices.BinarySearchFunc(c.Stores, name, func(s *Store, name string) int {
		switch {
		case s.Name < name:
			return -1
		case s.Name > name:
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return c.Stores[i]
}
