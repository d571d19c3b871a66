// shown.go: what is stored, for people.

package cache

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Stored is an answer that is stored, or, with Refused, a URL for which nobody waits, since what it answers may not be
// stored.
type Stored struct {
	Realm, Pool, Route string
	URL                string
	Status             int
	Refused            bool
	Since              time.Duration // it came
	Left               time.Duration // that it is fresh, or nobody waits; less than 0: it has not been for so long
	Bytes              int           // of its body
	Hits               uint64
	Generation         uint64 // of the code that made it
	Tags               []string
	Vary               []string // "name: value" of requests that get it
}

// mostShown is how many are shown at most.
const mostShown = 1000

// Show lists what is stored of a URL as a PURGE has it, of a realm, or, for "", of all, in the order of the URLs. more
// is how many there are beside.
func (s *Store) Show(realm, url string) (all []Stored, more int) {
	now, some, places := time.Now(), wantedOf([]string{url}), s.wheres()
	for key := range s.slots.Keys() {
		of, url := splitKey(key)
		where := places[of]
		if realm != "" && where.realm != realm || !some.has(where, url) {
			continue
		}
		one := Stored{Realm: where.realm, URL: where.whole(url)}
		one.Pool, one.Route, _ = strings.Cut(of, "\n")
		if !s.look(&one, key, now) {
			continue
		}
		if len(all) == mostShown {
			more++
		} else {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b Stored) int {
		return cmp.Or(cmp.Compare(a.URL, b.URL), cmp.Compare(a.Route, b.Route), slices.Compare(a.Vary, b.Vary))
	})
	return all, more
}

// look fills in what lies under a key; false: nothing that anybody gets.
func (s *Store) look(one *Stored, key string, now time.Time) bool {
	found, is := s.slots.GetEntryQuietly(key)
	if !is {
		return false
	}
	e := found.Value.entry
	if e == nil {
		one.Refused, one.Left = true, found.Value.until.Sub(now)
		return found.Value.vary == nil && one.Left > 0
	}
	if parts := strings.Split(key, "\x00"); len(parts) > 1 {
		by, is := s.slots.GetEntryQuietly(parts[0])
		if !is || !strings.HasPrefix(key, by.Value.stem(parts[0])) || len(by.Value.vary) != len(parts)-2 {
			return false // of a Vary that is no more
		}
		for i, name := range by.Value.vary {
			if value := parts[i+2]; value != absent {
				one.Vary = append(one.Vary, name+": "+value)
			} else {
				one.Vary = append(one.Vary, "no "+name)
			}
		}
	}
	one.Status, one.Bytes, one.Hits, one.Tags = e.status, len(e.body), e.hits.Load(), e.tags
	one.Generation = e.generation
	one.Since, one.Left = max(0, now.Sub(e.came)), e.left(now)
	return true
}

// Kept is how much of the answers of a route is stored, and how many bytes they take, about.
type Kept struct {
	Answers int
	Bytes   uint64
}

// Kept is what each route before each pool has, by [2]string{pool, route}.
func (s *Store) Kept() map[[2]string]Kept {
	all := map[[2]string]Kept{}
	for key, in := range s.slots.All() {
		if in.entry == nil {
			continue
		}
		of, _ := splitKey(key)
		pool, route, _ := strings.Cut(of, "\n")
		n := all[[2]string{pool, route}]
		n.Answers, n.Bytes = n.Answers+1, n.Bytes+uint64(in.entry.size())
		all[[2]string{pool, route}] = n
	}
	return all
}

// Size is how many bytes are kept at most.
func (s *Store) Size() uint64 { return s.slots.GetMaximum() }
