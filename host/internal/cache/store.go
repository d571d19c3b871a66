// store.go: what the rooms of a host keep, in bounded memory, and who asks for what at the moment.

package cache

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/workerhost/workerhost/protocol"
)

// Store keeps answers. Its methods are safe for concurrent use.
type Store struct {
	// Tell is told of each purge that begins here, before it is in effect, and must not wait; nil: there are no others
	// to tell. It is set before anything is stored.
	Tell func(realm string, what *protocol.Purge)

	slots  *otter.Cache[string, *slot]
	counts counts
	behind atomic.Int64  // who asks in the background
	forks  atomic.Uint64 // that were given out

	mu      sync.Mutex
	flights map[string]*flight               // by key: those that others may wait for; guarded by mu
	under   map[*flight]struct{}             // all of them; guarded by mu
	tags    map[string]map[*entry]struct{}   // by realm and tag; guarded by mu
	places  map[string]place                 // where keys are, "pool\nroute"; guarded by mu
	live    map[string]*atomic.Pointer[code] // generations of pools, by name; guarded by mu
	orders  []order                          // that wait; guarded by mu
	purging bool                             // somebody carries them out; guarded by mu
}

// slot is what lies under a key: an answer, or by what answers differ, or that there is nothing to be stored. It
// never changes.
type slot struct {
	entry *entry
	vary  []string // names in lower case, sorted
	fork  uint64   // which tells variants of before from those of now
	until time.Time
}

// NewStore makes one that keeps up to size bytes. It has to be closed.
func NewStore(size int64) *Store {
	s := &Store{flights: map[string]*flight{}, under: map[*flight]struct{}{}, tags: map[string]map[*entry]struct{}{},
		places: map[string]place{}, live: map[string]*atomic.Pointer[code]{}}
	s.slots = otter.Must(&otter.Options[string, *slot]{
		MaximumWeight: uint64(size),
		Weigher: func(key string, in *slot) uint32 {
			if in.entry != nil {
				return uint32(min(in.entry.size(), 1<<31))
			}
			return uint32(2*len(key) + 200)
		},
		OnAtomicDeletion: func(d otter.DeletionEvent[string, *slot]) {
			if e := d.Value.entry; e != nil && len(e.tags) > 0 {
				s.mu.Lock()
				s.untag(e)
				s.mu.Unlock()
			}
		},
	})
	return s
}

// Resize changes how many bytes are kept.
func (s *Store) Resize(size int64) { s.slots.SetMaximum(uint64(size)) }

// Close forgets all. Nobody asks any more.
func (s *Store) Close() {
	s.slots.InvalidateAll()
	s.slots.StopAllGoroutines()
}

// code is which generation of a pool's is live, and since when.
type code struct {
	generation uint64
	since      time.Time
}

// Went says that a generation of a pool's code is the one that answers from now on: what others have made is stale.
func (s *Store) Went(pool string, generation uint64) {
	s.liveOf(pool).Store(&code{generation, time.Now()})
}

func (s *Store) liveOf(pool string) *atomic.Pointer[code] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[pool] == nil {
		s.live[pool] = new(atomic.Pointer[code])
	}
	return s.live[pool]
}

// outdates says whether an entry is of code that is not live any more. What newer code has made during its own reload
// is not.
func (c *code) outdates(e *entry) bool {
	return c != nil && e.generation != c.generation && (e.generation < c.generation || e.came.Before(c.since))
}

// find looks for what is stored for a request, under its primary key: what lies under the key that it has there, and
// why there is none.
func (s *Store) find(primary string, q *protocol.Request) (key string, in *slot, miss string) {
	in, ok := s.slots.GetIfPresent(primary)
	if !ok {
		return primary, nil, "uri-miss"
	}
	if in.vary == nil {
		return primary, in, "uri-miss"
	}
	key = variant(primary, in, q)
	if in, ok = s.slots.GetIfPresent(key); !ok {
		return key, nil, "vary-miss"
	}
	return key, in, "vary-miss"
}

// put stores an entry, unless somebody has purged it while it came.
func (s *Store) put(e *entry, primary string, q *protocol.Request) {
	e.key = primary
	if names := varyOf(e.headers); len(names) > 0 {
		by, ok := s.slots.GetIfPresent(primary)
		if !ok || !slices.Equal(by.vary, names) {
			by = &slot{vary: names, fork: s.forks.Add(1)}
			s.slots.Set(primary, by)
		}
		e.key = variant(primary, by, q)
	}
	s.tag(e)
	s.slots.Set(e.key, &slot{entry: e})
	s.counts.stored.Add(1)
}

// pass notes that what lies under the key is not to be waited for.
func (s *Store) pass(key string, now time.Time) { s.slots.Set(key, &slot{until: now.Add(passTime)}) }

// passTime is how long nobody waits for what was found not to be storable.
const passTime = 2 * time.Minute

// drop forgets an entry, if it still is the one under its key.
func (s *Store) drop(e *entry) bool {
	if in, ok := s.slots.GetIfPresent(e.key); !ok || in.entry != e {
		return false
	}
	_, was := s.slots.Invalidate(e.key)
	return was
}

func (s *Store) tag(e *entry) {
	if len(e.tags) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tag := range e.tags {
		of := e.realm + "\n" + tag
		if s.tags[of] == nil {
			s.tags[of] = map[*entry]struct{}{}
		}
		s.tags[of][e] = struct{}{}
	}
}

// untag is called with mu held.
func (s *Store) untag(e *entry) {
	for _, tag := range e.tags {
		of := e.realm + "\n" + tag
		if delete(s.tags[of], e); len(s.tags[of]) == 0 {
			delete(s.tags, of)
		}
	}
}

// varyOf are the names that an answer differs by.
func varyOf(headers []string) []string {
	names := items(values(headers, "Vary"))
	for i := range names {
		names[i] = strings.ToLower(names[i])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// variant is the key of what a request gets where answers differ.
func variant(primary string, by *slot, q *protocol.Request) string {
	var b strings.Builder
	b.WriteString(by.stem(primary))
	for _, name := range by.vary {
		b.WriteByte(0)
		b.WriteString(normal(name, values(q.Headers, name)))
	}
	return b.String()
}

// stem is what the keys of all variants of now begin with.
func (by *slot) stem(primary string) string {
	b := append([]byte(primary), 0)
	for n := by.fork; n > 0; n >>= 7 {
		b = append(b, byte(n&127)|128)
	}
	return string(b)
}

// absent is the value of a field that a request has none of, in keys; it is not "".
const absent = "\x01"

// normal is a request's field as variants are told apart by it: with one spelling of what means the same.
func normal(name string, lines []string) string {
	if lines == nil {
		return absent
	}
	list := items(lines)
	switch name {
	case "accept-encoding":
		return acceptedCodings(list)
	case "accept-language":
		for i := range list {
			list[i] = strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(list[i], " ", ""), "\t", ""))
		}
		slices.Sort(list)
	}
	return strings.Join(list, ",")
}

// acceptedCodings are those of common ones that a client takes, whatever else it says.
func acceptedCodings(list []string) string {
	var taken []string
	for _, item := range list {
		name, weight, _ := strings.Cut(strings.ToLower(item), ";")
		if name = strings.TrimSpace(name); zero(weight) {
			name = "-" + name
		}
		switch strings.TrimPrefix(name, "-") {
		case "br", "gzip", "zstd", "deflate", "identity", "*":
			taken = append(taken, name)
		}
	}
	slices.Sort(taken)
	return strings.Join(slices.Compact(taken), ",")
}

// zero says whether a weight is 0.
func zero(weight string) bool {
	_, q, is := strings.Cut(weight, "=")
	return is && strings.Trim(q, " \t0.") == ""
}
