// upgrade.go: a host that takes over from the one before it, and hands over to the next one. upgrade_next.go is the
// perspective of the old host, upgrade_before.go that of the new one, and upgrade_keeper.go that of whoever started
// the first of them, and waits for a process that must not change.

package serve

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/activation"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/dial"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/host/internal/succession"
)

// What the two hosts say, by the kinds of their messages, in this order.
const (
	sayOffer  = "host.offer"  // the old one: what it has; an offer
	sayReady  = "host.ready"  // the new one: its workers are, and what it has taken; an acceptance
	sayFailed = "host.failed" // or why it ends; a failure
	// the old one, when package succession has handed the connections over: take over; a handed
	sayGo      = "host.go"
	sayServing = "host.serving" // the new one: it does
	sayLeft    = "host.left"    // the old one: it accepts nobody any more; a leavesWith
	sayRan     = "host.ran"     // the old one, at any time after that: a run of cron is over; a ran
	sayQuiet   = "host.quiet"   // the old one: its services have ended
	sayDrained = "host.drained" // the old one: and has no request any more
	sayStop    = "host.stop"    // the new one, at any time after that: end, too; a stopping
	sayReopen  = "host.reopen"  // and: reopen what the logs are written to
	sayPassed  = "host.passed"  // and: another one has taken over from it, so that its end means nothing
)

// offer is what the old host has. Fields are added, and never change their meaning (package handover).
type offer struct {
	Sockets []bound `msgpack:"sockets"` // whose descriptors come first, in this order
	// Control is the path of the control socket, whose descriptor follows, and then that of its lock
	Control     string            `msgpack:"control"`
	Generations map[string]uint64 `msgpack:"generations"` // the highest of each pool that ever was
	Passes      uint64            `msgpack:"passes"`
	Upgrades    int               `msgpack:"upgrades"` // with this one
	Moved       uint64            `msgpack:"moved"`    // what the ones before this have moved and paused, together
	Paused      time.Duration     `msgpack:"paused"`
	Began       int64             `msgpack:"began"` // of the upgrade, in Unix nanoseconds
	By          []byte            `msgpack:"by"`    // who asked for it, as JSON
	PID         int               `msgpack:"pid"`   // of the old one
	Version     string            `msgpack:"version"`
	// Passed are the names of the sockets that the service manager has passed, whose descriptors come last
	Passed []string `msgpack:"passed"`
	Stored []string `msgpack:"stored"` // by which names the manager keeps sockets
	Quiets bool     `msgpack:"quiets"` // it says host.quiet, and what of cron it leaves with host.left
}

// handed is how the long-lived connections went over.
type handed struct {
	Moved  int           `msgpack:"moved"`  // to the new host
	Stayed int           `msgpack:"stayed"` // and end with the old one
	Paused time.Duration `msgpack:"paused"` // how long nothing of any of them was handled
	// Dials are those that the new host goes on with, by realm
	Dials map[string][]dial.Record `msgpack:"dials"`
}

// place is what a socket is found by: an address as the configuration has it.
type place struct {
	Address   string `msgpack:"address"`
	Datagrams bool   `msgpack:"datagrams"` // of a listener of UDP
}

// bound is what there is at a place.
type bound struct {
	place   `msgpack:",inline"`
	Socket  bool `msgpack:"socket"`
	Packets bool `msgpack:"packets"` // of UDP, or of HTTP/3
}

// acceptance is what the new host needs of an offer.
type acceptance struct {
	Taken   []place `msgpack:"taken"`
	Control bool    `msgpack:"control"`
}

func placeOf(l *config.Listen) place { return place{l.Address, l.Protocol == listen.UDP} }

type failure struct {
	Error string `msgpack:"error"`
}

type stopping struct {
	Now bool `msgpack:"now"`
}

// upgrade is what a host has to do with the hosts before and after it.
type upgrade struct {
	before  *before             // that it takes over from; nil: it is the first
	arrived chan struct{}       // closed when clients may come: at once, or at the take-over
	passed  *activation.Sockets // that whoever started the first host has passed to it
	keeper  *keeper             // who waits for the serving host, whichever it is; nil: nobody who is told
	// of what serve itself has bound, for the next host
	opened  []opened
	keeping sync.Mutex // held while the service manager is asked to keep what there is
	claim   *control.Claim
	control *control.Server

	guests   *succession.Guests   // of the next host
	under    bool                 // a next host is on its way; guarded by host.mu
	replaced atomic.Pointer[next] // by a host that serves now; nil: not yet
}

// opened is a socket beside those of the listeners.
type opened struct {
	address string
	socket  net.Listener
}

// newUpgrade is that of a host which nobody was before.
func newUpgrade() *upgrade {
	u := &upgrade{arrived: make(chan struct{}), keeper: theKeeper()}
	close(u.arrived)
	return u
}

// here says whether clients may come.
func (u *upgrade) here() bool {
	select {
	case <-u.arrived:
		return true
	default:
		return false
	}
}

// when does something as soon as clients may come, at once if they may already, and not at all if ctx ends before.
func (u *upgrade) when(ctx context.Context, do func()) {
	if u.here() {
		do()
		return
	}
	go func() { // ends at the take-over, or with ctx
		select {
		case <-u.arrived:
			do()
		case <-ctx.Done():
		}
	}()
}

// bind is for sockets beside those of the listeners: it has that of the host before, if there is one. The next host
// may get it, and it is closed then.
func (u *upgrade) bind(address string) (socket net.Listener, err error) {
	there, err := u.bound(place{Address: address})
	switch {
	case err != nil:
	case there.Socket != nil:
		socket, err = net.FileListener(there.Socket)
	default:
		socket, err = listen.Bind(address)
	}
	there.Close()
	if err == nil {
		u.opened = append(u.opened, opened{address, socket})
	}
	return socket, err
}

// bound is what the host before has at a place, or else the socket that was passed; packets that were are asked for
// when they are needed. Whoever asks first gets the former.
func (u *upgrade) bound(at place) (there listen.Bound, err error) {
	if b := u.before; b != nil {
		if there, b.taken[at] = b.bound[at]; b.taken[at] {
			there.Alone = b.drained
		}
		delete(b.bound, at)
	}
	if there.Socket == nil && !at.Datagrams {
		there.Socket, err = u.passed.Take(at.Address, false)
		there.Passed = there.Socket != nil // also what was stored: the file may be somebody else's by now
	}
	if err != nil {
		there.Close()
	}
	there.Passed = there.Passed || u.passed.Has(at.Address, false)
	return there, err
}

// claimOf is the control socket: that of the host before, if it is at the same place.
func (u *upgrade) claimOf(s control.Socket) (claim *control.Claim, err error) {
	if b := u.before; b != nil && b.control != nil && b.offer.Control == s.Path {
		claim, err = control.AdoptClaim(s, b.control, b.lock)
		b.control, b.lock, b.adopted = nil, nil, true
	} else {
		claim, err = control.NewClaim(s)
	}
	u.claim = claim
	return claim, err
}
