// Crowd: how many connections there are, in all and by address, and what becomes of one too many. It is accepted, told
// 503 and closed, since one that waits in the kernel's queue would learn nothing until it gives up, and neither would
// a balancer in front.

package guard

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/quiet"
)

// Crowd counts the connections of all listeners of a host. Its methods are safe for concurrent use.
type Crowd struct {
	log     hclog.Logger
	leaving chan struct{} // holds one for each that is being turned away
	warned  quiet.Throttle

	mu         sync.Mutex
	max        int // guarded by mu, as all below
	room       int // for how many there are descriptors; 0 is not known
	perAddress int
	proxies    *Proxies // those may have as many as they like; nil is none
	open       int
	addresses  map[netip.Addr]int // only of those that came while perAddress was set
}

// NewCrowd limits the connections, in all and from one address; 0 is without a limit. An IPv6 address counts as its
// /64.
func NewCrowd(most, perAddress int, proxies *Proxies, log hclog.Logger) *Crowd {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	return &Crowd{max: most, perAddress: perAddress, proxies: proxies, log: log,
		leaving: make(chan struct{}, mostLeaving), addresses: make(map[netip.Addr]int)}
}

// Limit sets other limits. Connections that are open stay, also if they are more.
func (k *Crowd) Limit(most, perAddress int, proxies *Proxies) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.max, k.perAddress, k.proxies = most, perAddress, proxies
}

// Room says for how many connections there are descriptors; 0 is not known. One more is answered like one beyond the
// limits, before the lack of descriptors keeps it from being accepted, and workers from being started.
func (k *Crowd) Room(connections int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.room = connections
}

// Open is how many connections there are.
func (k *Crowd) Open() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.open
}

// Enter counts a connection from an address in, or says which limit it would pass. Leave counts it out.
func (k *Crowd) Enter(remote net.Addr) (who netip.Addr, full string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.perAddress > 0 {
		if a, err := netip.ParseAddrPort(remote.String()); err == nil &&
			(k.proxies == nil || !k.proxies.contains(a.Addr())) {
			who = subscriber(a.Addr())
		}
	}
	switch {
	case k.max > 0 && k.open >= k.max:
		return who, "max_connections"
	case k.room > 0 && k.open >= k.room:
		return who, openFiles
	case who.IsValid() && k.addresses[who] >= k.perAddress:
		return who, "max_connections_per_address"
	}
	k.open++
	if who.IsValid() {
		k.addresses[who]++
	}
	return who, ""
}

// Readmit counts a connection in that there was already, for who, and whatever the limits.
func (k *Crowd) Readmit(who netip.Addr) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open++
	if who.IsValid() {
		k.addresses[who]++
	}
}

// Leave counts one out that enter has counted in for who.
func (k *Crowd) Leave(who netip.Addr) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open--
	if !who.IsValid() {
		return
	}
	if k.addresses[who]--; k.addresses[who] == 0 {
		delete(k.addresses, who)
	}
}

// openFiles is the limit that Room tells of.
const openFiles = "the limit on open files (ulimit -n)"

// mostLeaving is how many are told why at a time, and no more than a sixteenth of the room: a flood beyond it is just
// closed.
const mostLeaving = 256

// What a client that is turned away may still take: a time to read why, and bytes that it sends meanwhile, which are
// dropped.
const (
	LeavingTime  = time.Second
	LeavingBytes = 64 << 10
)

const turnedAway = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: " +
	"1\r\nConnection: close\r\nContent-Length: 81\r\n\r\n" +
	"503 Service Unavailable\nThe server is busy. Please try again in a moment.        \n"

// Warn says now and then that connections are turned away, and at which limit.
func (k *Crowd) Warn(remote net.Addr, limit string) {
	if k.warned.Pass() {
		k.log.Warn("connections are turned away: raise "+limit+", or look for who opens them",
			"limit", limit, "remote", remote.String(), "open", k.Open())
	}
}

// TurnAway gets rid of a connection without waiting for it. A client that is deaf, since it speaks TLS or no HTTP,
// can't be told.
func (k *Crowd) TurnAway(c net.Conn, deaf bool, limit string) {
	k.Warn(c.RemoteAddr(), limit)
	k.mu.Lock()
	crammed := k.room > 0 && len(k.leaving) > k.room/16
	k.mu.Unlock()
	if crammed {
		c.Close()
		return
	}
	select {
	case k.leaving <- struct{}{}:
	default:
		c.Close()
		return
	}
	go func() { // ends within leavingTime
		defer func() { <-k.leaving }()
		defer c.Close()
		if deaf {
			return
		}
		c.SetDeadline(time.Now().Add(LeavingTime))
		if _, err := io.WriteString(c, turnedAway); err != nil {
			return
		}
		if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			io.CopyN(io.Discard, c, LeavingBytes) // a close with unread bytes would take the answer back
		}
	}()
}
