// upgrade_before.go: a host that was started to take over from another one. It is built as any other, but of that
// one's sockets, and lets nobody in before that one says so. Whatever goes wrong until then ends it, and nothing else.

package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/activation"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/cron"
	"github.com/workerhost/workerhost/host/internal/handover"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/host/internal/succession"
)

// before is the host that this one takes over from.
type before struct {
	link    *handover.Link
	offer   offer
	bound   map[place]listen.Bound // what nobody has taken yet; of one at a time
	taken   map[place]bool
	control *os.File // its control socket, and its lock; nil once they are taken
	lock    *os.File
	adopted bool      // they were taken
	handed  handed    // set, with since, before clients may come
	since   time.Time // of the take-over
	passed  *activation.Sockets
	left    chan struct{} // closed when it accepts nobody any more
	drained chan struct{} // closed when it has no request any more
	gone    chan struct{} // closed when it has ended
	cron    cron.Handed   // set before left is closed
	quiet   chan struct{} // closed when its services have ended
	hush    func()        // closes that
}

// offerTime is what the old host gets to say what it has, which it does at once.
const offerTime = 30 * time.Second

// arrive gets what the host before has to offer; nil if there is none.
func arrive() (*before, error) {
	link, err := handover.Inherit()
	if link == nil {
		return nil, err
	}
	late := time.AfterFunc(offerTime, link.Close)
	defer late.Stop()
	quiet := make(chan struct{})
	b := &before{link: link, quiet: quiet, hush: sync.OnceFunc(func() { close(quiet) }),
		bound: map[place]listen.Bound{}, taken: map[place]bool{}, left: make(chan struct{}),
		drained: make(chan struct{}), gone: make(chan struct{})}
	m, err := link.Receive()
	if err == nil {
		err = b.read(m)
	}
	if err != nil {
		link.Close()
		return nil, fmt.Errorf("the host that is to be replaced does not say what it has: %w", err)
	}
	return b, nil
}

func (b *before) read(m handover.Message) error {
	err := m.Decode(&b.offer)
	files := m.Files
	need := 0
	for _, s := range b.offer.Sockets {
		for _, there := range []bool{s.Socket, s.Packets} {
			if there {
				need++
			}
		}
	}
	if b.offer.Control != "" {
		need += 2
	}
	need += len(b.offer.Passed)
	if err == nil && (m.Kind != sayOffer || need != len(files)) {
		err = fmt.Errorf("%q came with %d descriptors, not %d", m.Kind, len(files), need)
	}
	if err != nil {
		m.Discard()
		return err
	}
	next := func(there bool) (f *os.File) {
		if there {
			f, files = files[0], files[1:]
		}
		return f
	}
	for _, s := range b.offer.Sockets {
		b.bound[s.place] = listen.Bound{Socket: next(s.Socket), Packets: next(s.Packets)}
	}
	b.control, b.lock = next(b.offer.Control != ""), next(b.offer.Control != "")
	var passed []*activation.Socket
	for _, name := range b.offer.Passed {
		s, openErr := activation.Open(name, next(true))
		if err = errors.Join(err, openErr); openErr == nil {
			passed = append(passed, s)
		}
	}
	b.passed = activation.Of(passed...)
	return err
}

// end says why this host ends, if it does before it has taken over, and lets go of what it has of the one before.
func (b *before) end(err error) {
	if b == nil {
		return
	}
	if err == nil {
		err = errors.New("it was asked to stop")
	}
	b.link.Send(sayFailed, failure{err.Error()}) // later it means nothing
	b.link.Close()
	b.drop()
}

// drop closes what nobody has taken.
func (b *before) drop() {
	for _, there := range b.bound {
		there.Close()
	}
	b.bound = nil
	if b.control != nil {
		b.control.Close()
		b.lock.Close()
		b.control = nil
	}
}

// succeed begins with what the host before has come to, and listens to it. Nothing is built yet.
func (h *host) succeed(b *before) {
	if b == nil {
		return
	}
	h.upgrade.before, h.upgrade.arrived, h.upgrade.passed = b, make(chan struct{}), b.passed
	h.notify.kept(b.offer.Stored)
	for name, n := range b.offer.Generations {
		h.generations[name] = new(atomic.Uint64)
		h.generations[name].Store(n)
	}
	h.passesBegun = b.offer.Passes
	t := succession.NewTaker(b.link, h.hubOf, h.listenerOf, h.log)
	by := t.Handlers()
	by[sayGo] = func(m handover.Message) error {
		if err := m.Decode(&b.handed); err != nil {
			return err
		}
		return h.takeOver()
	}
	h.hearPrograms(b, by)
	by[sayLeft] = func(m handover.Message) error {
		if b.offer.Quiets {
			var with leavesWith
			if err := m.Decode(&with); err != nil {
				return err
			}
			b.cron = with.Cron
		} else {
			b.hush() // it has no services
		}
		h.settle()
		return nil
	}
	drained := sync.OnceFunc(func() { close(b.drained) })
	by[sayDrained] = func(handover.Message) error { drained(); return nil }
	go func() { // ends with the link, which both ends close
		defer close(b.gone)
		err := b.link.Run(by)
		t.End(h.setup.Load().hubs()...)
		drained()
		b.hush()
		h.cron.Alone()
		switch {
		case !h.upgrade.here():
			h.end(errors.Join(errors.New("the host that was to be replaced has ended"), err))
		case h.stopping.Err() == nil:
			h.settle() // it may have died in between
		}
	}()
	go func() { // ends when this host has
		<-h.now.Done()
		if h.upgrade.replaced.Load() == nil { // else the one after this has what it serves there, such as guests
			b.link.Send(sayStop, stopping{Now: true})
		}
	}()
}

// becomeReady tells the host before when every worker of every pool is there. The first that fails to start ends this
// host.
func (h *host) becomeReady() error {
	b := h.upgrade.before
	if b == nil {
		return nil
	}
	for {
		pools, ready := h.pools(), 0
		for _, p := range pools {
			if !p.running.Load() {
				continue
			}
			if why := p.workers.Status().Failure; why != "" {
				return fmt.Errorf("pool %s: %s", p.name, why)
			}
			if p.allReady() {
				ready++
			}
		}
		if ready == len(pools) {
			break
		}
		select {
		case <-time.After(readyPoll):
		case <-h.stopping.Done():
			return nil
		}
	}
	a := acceptance{Control: b.adopted}
	for at, taken := range b.taken {
		if taken {
			a.Taken = append(a.Taken, at)
		}
	}
	b.drop()
	return b.link.Send(sayReady, a)
}

// takeOver lets clients in. What the host before knows of connections has come before. In the link's goroutine.
func (h *host) takeOver() error {
	h.upgrade.before.since = time.Now()
	close(h.upgrade.arrived)
	h.upgrade.keeper.serves(os.Getpid()) // the host before may die before it says so
	h.restoreDials(h.upgrade.before.handed.Dials)
	h.startReady()
	return h.upgrade.before.link.Send(sayServing, nil)
}

// renounce leaves the sockets of the host before to that one, if this one ends without having taken over.
func (h *host) renounce() {
	if h.upgrade.here() {
		return
	}
	for _, l := range h.listeners() {
		if h.upgrade.before.taken[placeOf(&l.config)] {
			l.server.LetGo()
		}
	}
}

// hubOf is the hub of a realm; nil if there is none.
func (h *host) hubOf(realm string) *hub.Hub {
	if r := h.setup.Load().realms[realm]; r != nil {
		return r.hub
	}
	return nil
}

// listenerOf is the listener at an address of the configuration; nil if there is none.
func (h *host) listenerOf(address string) succession.Listener {
	for _, l := range h.listeners() {
		if l.config.Address == address && l.config.Protocol != listen.UDP {
			return l.server
		}
	}
	return nil
}

// settle is for when this host is the only one that lets clients in. A second call does nothing.
func (h *host) settle() {
	select {
	case <-h.upgrade.before.left:
		return
	default:
	}
	if h.upgrade.before.adopted {
		h.upgrade.claim.Sign()
	}
	for _, other := range h.upgrade.opened {
		if own, ok := other.socket.(*net.UnixListener); ok && !h.upgrade.passed.Has(other.address, false) {
			own.SetUnlinkOnClose(true)
		}
	}
	close(h.upgrade.before.left)
}

// settled waits until this host is the only one that lets clients in. It says false if it stops before.
func (h *host) settled() bool {
	if h.upgrade.before == nil {
		return true
	}
	select {
	case <-h.upgrade.before.left:
		return true
	case <-h.stopping.Done():
		return false
	}
}

// outlive waits until the host before has ended, which has been told to.
func (h *host) outlive() {
	if b := h.upgrade.before; b != nil && h.upgrade.here() && h.upgrade.replaced.Load() == nil {
		h.bounded("the host before", h.longestDrain(), func() { <-b.gone })
	}
}

// longestDrain is how long clients may have when a host ends.
func (h *host) longestDrain() (longest time.Duration) {
	for _, p := range h.pools() {
		longest = max(longest, 2*p.config().DrainTimeout+3*p.config().StopTimeout)
	}
	return longest
}

// reopenLogs is for whoever has renamed them: the host before may have some open, too.
func (h *host) reopenLogs() {
	h.setup.Load().edge.reopen()
	if b := h.upgrade.before; b != nil {
		b.link.Send(sayReopen, nil) // an error means that it has ended
	}
}

// startedBy completes the journal's entry of this host's start, if it is an upgrade.
func (u *upgrade) startedBy(e *control.Release) (upgraded bool) {
	if u.before == nil {
		return false
	}
	var by control.By
	if json.Unmarshal(u.before.offer.By, &by) == nil {
		e.By = slices.Clone([]control.By{by})
	}
	e.Act, e.Time, e.Before = "upgrade", time.Unix(0, u.before.offer.Began), u.before.offer.Version
	e.Took = control.Millis(time.Since(e.Time))
	return true
}

// counted are the upgrades that led to this host, what of connections they have moved, and how long they paused those.
func (u *upgrade) counted() (upgrades int, moved uint64, paused time.Duration) {
	b := u.before
	if b == nil || !u.here() {
		return 0, 0, 0
	}
	return b.offer.Upgrades, b.offer.Moved + uint64(b.handed.Moved), b.offer.Paused + b.handed.Paused
}

// guests are the connections that still go through a host before, which closes the last of them at until.
func (h *host) guests() (n int, until time.Time) {
	for _, in := range h.setup.Load().hubs() {
		more, last := in.Guests()
		if n += more; last.After(until) {
			until = last
		}
	}
	return n, until
}

// upgraded is the upgrade that led to this host; nil if it is the first one.
func (h *host) upgraded() *control.Upgraded {
	b := h.upgrade.before
	if b == nil || !h.upgrade.here() {
		return nil
	}
	u := &control.Upgraded{Time: b.since, Took: control.Millis(b.since.Sub(time.Unix(0, b.offer.Began))),
		PID: b.offer.PID, Version: b.offer.Version,
		Moved: b.handed.Moved, Stayed: b.handed.Stayed, Paused: control.Millis(b.handed.Paused)}
	select {
	case <-b.gone:
	default:
		u.Finishes = true
	}
	if n, until := h.guests(); n > 0 {
		u.Guests, u.Until = n, &until
	}
	return u
}
