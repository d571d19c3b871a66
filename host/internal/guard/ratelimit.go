// Rate limits by client address: so many requests per second, and a burst. An address costs one number, and the table
// of them is bounded.

package guard

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// RateLimit counts the requests of each client address; an IPv6 client is its /64, which is what one subscriber has.
// All listeners of a host share one. Its methods are safe for concurrent use.
type RateLimit struct {
	interval time.Duration // from one request to the next, in the long run
	credit   time.Duration // how far ahead of that a client may be: the burst
	seed     maphash.Seed
	began    time.Time
	shards   [rateShards]rateShard
}

const (
	rateShards = 64
	rateRoom   = 1024 // addresses in a shard: 65536 together, in a few MiB
)

type rateShard struct {
	mu   sync.Mutex
	next map[netip.Addr]time.Duration // when each client's requests so far are paid off, since began; guarded by mu
}

// NewRateLimit allows a request in each interval, and at most burst of them at once.
func NewRateLimit(interval time.Duration, burst int) *RateLimit {
	l := &RateLimit{
		interval: interval, seed: maphash.MakeSeed(), began: time.Now(),
	}
	l.credit = time.Duration(max(burst, 1)-1) * l.interval
	for i := range l.shards {
		l.shards[i].next = make(map[netip.Addr]time.Duration)
	}
	return l
}

// Allow takes a request into account. If it is one too many, it says when the next one will not be. A client without
// an address is never limited.
func (l *RateLimit) Allow(remote string) (wait time.Duration) {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return 0
	}
	who, now := subscriber(peer.Addr()), time.Since(l.began)
	s := &l.shards[maphash.Comparable(l.seed, who)%rateShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	next, known := s.next[who]
	if ahead := next - now - l.credit; known && ahead > 0 {
		return ahead
	}
	if !known && len(s.next) >= rateRoom {
		s.makeRoom(now)
	}
	s.next[who] = max(next, now) + l.interval
	return 0
}

// makeRoom forgets whoever has paid, or else the one of a few that has least to pay: a flood of addresses pushes out
// its own first.
func (s *rateShard) makeRoom(now time.Duration) {
	var least netip.Addr
	looked := 0
	for who, next := range s.next {
		if next <= now {
			delete(s.next, who)
		} else if !least.IsValid() || next < s.next[least] {
			least = who
		}
		if looked++; looked >= 64 && len(s.next) < rateRoom {
			return
		}
	}
	if len(s.next) >= rateRoom {
		delete(s.next, least)
	}
}

// subscriber is what is counted as one client.
func subscriber(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	p, _ := a.Prefix(64)
	return p.Addr()
}
