// settings.go: what a route says of its cache, and what becomes of requests.

package cache

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// Settings are a route's.
type Settings struct {
	// DefaultTTL is how long answers that say nothing of caches stay fresh, to clients whose cookies are all harmless;
	// 0 is that they are not stored.
	DefaultTTL time.Duration
	// HarmlessCookies are names of cookies that no answer depends on; "_ga*" is all that begin so.
	HarmlessCookies []string
	// StaleIfError is for how long an answer may be used after it was fresh where the pool has none, if it does not
	// say so itself.
	StaleIfError time.Duration
	// KeepOnReload has what old code made stay as fresh as it is when new code goes live.
	KeepOnReload bool
	// MaxBody is the longest body that is stored, in bytes.
	MaxBody int64
	// PurgeFrom are the networks whose clients may send PURGE.
	PurgeFrom []netip.Prefix
}

// harmless says whether no answer depends on a cookie of that name.
func (s *Settings) harmless(name string) bool {
	for _, known := range s.HarmlessCookies {
		if first, all := strings.CutSuffix(known, "*"); name == known || all && strings.HasPrefix(name, first) {
			return true
		}
	}
	return false
}

// suspicious says whether a request has cookies that are not known to be harmless.
func (s *Settings) suspicious(lines []string) bool {
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(pair, "=")
			if name = strings.TrimSpace(name); strings.TrimSpace(pair) != "" && !s.harmless(name) {
				return true
			}
		}
	}
	return false
}

// Counts are what became of requests to all rooms of a store, and what it keeps.
type Counts struct {
	Requests map[string]uint64 // by how they were answered: "hit", "stale", "miss", "waited", "bypass"
	// Stored is how many answers were, Validated how many of those the pool has found to be as they were, and Purged
	// how many were dropped before their time.
	Stored, Validated, Purged uint64
	Answers                   int    // that are stored, about, with what stands for others
	Bytes                     uint64 // that they take, about
}

// Counts may be called at any time.
func (s *Store) Counts() Counts {
	n := &s.counts
	return Counts{
		Requests: map[string]uint64{"hit": n.hits.Load(), "stale": n.stale.Load(), "miss": n.misses.Load(),
			"waited": n.waits.Load(), "bypass": n.passes.Load()},
		Stored: n.stored.Load(), Validated: n.validated.Load(), Purged: n.purged.Load(),
		Answers: s.slots.EstimatedSize(), Bytes: s.slots.WeightedSize(),
	}
}

// counts are of all rooms of a store.
type counts struct {
	hits, stale, misses, waits, passes, validated, stored, purged atomic.Uint64
}
