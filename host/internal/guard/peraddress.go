// How many connections each address has, for max_connections_per_address.

package guard

import (
	"math"
	"net/netip"
	"sync"
)

// PerAddress counts the long-lived connections of each client address; an IPv6 client is its /64. It differs from
// Crowd in that it knows a client behind a proxy.
type PerAddress struct {
	mu   sync.Mutex
	open map[netip.Addr]int // guarded by mu; of addresses that came while there was a limit
}

// NewPerAddress counts none.
func NewPerAddress() *PerAddress { return &PerAddress{open: make(map[netip.Addr]int)} }

// Enter counts a connection in, unless its address has most already; 0 is without a limit. Leave counts who out.
func (t *PerAddress) Enter(remote string, most int) (who netip.Addr, ok bool) {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil || most <= 0 {
		return who, true
	}
	who = subscriber(peer.Addr())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[who] >= most {
		return who, false
	}
	t.open[who]++
	return who, true
}

// Readmit is Enter for a connection that there was already: it is counted whatever the limit, if there is one.
func (t *PerAddress) Readmit(remote string, most int) (who netip.Addr) {
	if most > 0 {
		who, _ = t.Enter(remote, math.MaxInt)
	}
	return who
}

// Leave counts one out that enter has counted for who.
func (t *PerAddress) Leave(who netip.Addr) {
	if !who.IsValid() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[who]--; t.open[who] <= 0 {
		delete(t.open, who)
	}
}

// Addresses is how many addresses are counted.
func (t *PerAddress) Addresses() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}
