// upgrade_next.go: a host that has another one take over from it. Until that one serves, nothing has changed, whatever
// happens to it; from then on this one serves out what it has, and ends.

package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/handover"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/succession"
)

// next is the host that takes over from this one.
type next struct {
	pid     int
	link    *handover.Link
	giver   *succession.Giver
	ended   <-chan struct{}         // closed when its process has
	signals func() <-chan os.Signal // those that come to this process, which are not passed on any more
	keeper  *keeper                 // what this process becomes when it has nothing else to do; nil: it ends
	ready   chan acceptance
	failed  chan string
	serving chan struct{}
	passed  atomic.Bool   // another one has taken over from it
	asked   sync.Once     // to stop
	closed  chan struct{} // closed with the link
}

const (
	// upgradeTime is what a new host gets beside start_timeout, to read and bind what it needs.
	upgradeTime = time.Minute
	// goTime is what it gets to take over, when it is ready.
	goTime = 15 * time.Second
)

// Upgrade implements [control.Host].
func (h *host) Upgrade(ask control.Upgrade) (*control.Account, error) {
	if err := upgradable(); err != nil {
		return nil, err
	}
	binary, err := nextBinary(ask.Binary, h.config().UpgradeBinary)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed || h.leaves():
		return nil, control.ErrStopping
	case h.upgrade.under || !h.upgrade.here():
		return nil, errors.New("an upgrade is under way already")
	case len(h.passes) > 0:
		return nil, errors.New("a reload is under way, which `host status` shows: ask again when it has ended")
	}
	h.upgrade.under = true
	account, began := control.NewAccount(), time.Now()
	h.reloads.Go(func() { // ends with the upgrade, which has a time-out
		defer account.End()
		n, err := h.replace(binary, ask.By, began, account)
		h.mu.Lock()
		h.upgrade.under = false
		h.mu.Unlock()
		summary := control.Event{Kind: control.Summary, Outcome: control.Done, Took: control.Millis(time.Since(began))}
		if err != nil {
			summary.Outcome, summary.What = failed(err)
			h.log.Error("the upgrade failed", "error", summary.What)
			h.noteUpgrade(ask.By, began, err)
		} else {
			summary.NewPID = n.pid
		}
		account.Add(summary)
	})
	return account, nil
}

// lost is an error of an upgrade that this host does not outlive: its connections are the next one's, which failed.
type lost struct{ error }

// failed is what an upgrade has come to that has failed, and what there is to say of it.
func failed(err error) (control.Outcome, string) {
	if errors.As(err, new(lost)) {
		return control.HostStopped, err.Error()
	}
	return control.NotDone, "nothing was changed, and this host goes on: " + err.Error()
}

// replace starts the next host, and has it take over. An error says why it has not.
func (h *host) replace(binary string, by control.By, began time.Time, account *control.Account) (*next, error) {
	n, err := h.startNext(binary)
	if err != nil {
		return nil, err
	}
	h.log.Info("the next host starts", "binary", binary, "next_pid", n.pid)
	account.Add(control.Event{Kind: control.UpgradeBegun, NewPID: n.pid, What: binary})
	a, err := h.prepareNext(n, by, began)
	if err == nil {
		account.Add(control.Event{Kind: control.UpgradeReady, NewPID: n.pid,
			Took: control.Millis(time.Since(began))})
		err = h.handOver(n)
	}
	if err != nil {
		n.discard()
		return nil, err
	}
	h.leave(n, a)
	return n, nil
}

// startNext starts the program, with its end of a link.
func (h *host) startNext(binary string) (*next, error) {
	link, theirs, err := handover.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	n := &next{link: link, ready: make(chan acceptance, 1), failed: make(chan string, 1),
		serving: make(chan struct{}, 1), closed: make(chan struct{})}
	above := h.upgrade.keeper
	if above == nil && h.notify.socket == "" { // else the service manager is told whom to wait for
		if n.keeper, err = newKeeper(); err != nil {
			link.Close()
			return nil, err
		}
		defer n.keeper.closeTheirs()
		above = n.keeper
	}
	environ := append(os.Environ(), h.notify.environ()...)
	n.pid, n.ended, err = startHost(binary, environ, theirs, above)
	if err != nil {
		link.Close()
		n.keeper.close()
		return nil, fmt.Errorf("%s can't be started: %w", binary, err)
	}
	n.giver = h.newGiver(link)
	by := n.giver.Handlers()
	maps.Copy(by, handover.Handlers{
		sayReady: func(m handover.Message) error {
			var a acceptance
			err := m.Decode(&a)
			if err == nil {
				n.ready <- a
			}
			return err
		},
		sayFailed: func(m handover.Message) error {
			var f failure
			err := m.Decode(&f)
			select {
			case n.failed <- f.Error:
			default:
			}
			return err
		},
		sayServing: func(handover.Message) error { n.serving <- struct{}{}; return nil },
		sayReopen:  func(handover.Message) error { h.reopenLogs(); return nil },
		sayPassed:  func(handover.Message) error { n.passed.Store(true); return nil },
		sayStop: func(m handover.Message) error {
			var s stopping
			if err := m.Decode(&s); err == nil && s.Now && h.upgrade.replaced.Load() == n {
				h.endNow()
			}
			return nil
		},
	})
	go func() { // ends with the link, which discard closes, or afterwards
		defer close(n.closed)
		n.link.Run(by)
		n.giver.End()
	}()
	return n, nil
}

// newGiver hands the long-lived connections over. Those over TLS have this host between them and the next one.
func (h *host) newGiver(link *handover.Link) *succession.Giver {
	now := h.setup.Load()
	realms, peers := map[string]*hub.Hub{}, []*peer.Peers{}
	for name, r := range now.realms {
		realms[name] = r.hub
	}
	spread := time.Duration(0)
	for _, l := range now.listeners {
		if l.config.Protocol != listen.UDP {
			peers = append(peers, l.server.Peers())
		}
		spread = max(spread, l.config.ShutdownSpread)
	}
	h.upgrade.guests = succession.NewGuests(now.config.UpgradeLinger, spread)
	return succession.NewGiver(link, realms, peers, h.upgrade.guests.Invite, h.log)
}

// prepareNext offers what this host has, and waits until the next one has started its workers.
func (h *host) prepareNext(n *next, by control.By, began time.Time) (a acceptance, err error) {
	o, files, err := h.offer()
	if err != nil {
		return a, err
	}
	o.Upgrades, o.Moved, o.Paused = h.upgrade.counted()
	o.Upgrades++
	o.Began, o.PID, o.Version = began.UnixNano(), os.Getpid(), cli.Version()
	o.By, _ = json.Marshal(by)
	n.link.Send(sayOffer, o, files...) // an error is the link's end
	limit := upgradeTime
	for _, p := range h.pools() {
		limit = max(limit, upgradeTime+p.config().StartTimeout)
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case a = <-n.ready:
		return a, nil
	case <-n.closed:
		return a, n.why()
	case <-n.ended:
		<-n.closed // what it has said comes first
		return a, n.why()
	case <-late.C:
		return a, fmt.Errorf("the new host is not ready after %s: its log says how far it came",
			cli.HumanDuration(limit))
	case <-h.stopping.Done():
		return a, control.ErrStopping
	}
}

// why is the next host's own word, if it has said one.
func (n *next) why() error {
	select {
	case text := <-n.failed:
		return fmt.Errorf("the new host ends: %s", text)
	default:
		return errors.New("the new host has ended before it was ready: its log says more; if it has none, the " +
			"program is no host, or is too old to take over")
	}
}

// offer is what the next host may have of this one, with the descriptors.
func (h *host) offer() (o offer, files []*os.File, err error) {
	o.Generations = map[string]uint64{}
	defer func() {
		if err != nil {
			for _, f := range files {
				f.Close()
			}
		}
	}()
	add := func(at place, there listen.Bound) {
		o.Sockets = append(o.Sockets, bound{at, there.Socket != nil, there.Packets != nil})
		for _, f := range []*os.File{there.Socket, there.Packets} {
			if f != nil {
				files = append(files, f)
			}
		}
	}
	for _, l := range h.listeners() {
		there, err := l.server.Bound()
		if err != nil {
			return o, files, err
		}
		add(placeOf(&l.config), there)
	}
	for _, other := range h.upgrade.opened {
		f, err := other.socket.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			return o, files, err
		}
		add(place{Address: other.address}, listen.Bound{Socket: f})
	}
	if claim := h.upgrade.claim; claim != nil {
		socket, lock, err := claim.Duplicate()
		if err != nil {
			return o, files, err
		}
		o.Control, files = claim.Path, append(files, socket, lock)
	}
	for _, s := range h.upgrade.passed.Passed() {
		f, err := s.Duplicate()
		if err != nil {
			return o, files, err
		}
		o.Passed, files = append(o.Passed, s.Name), append(files, f)
	}
	o.Stored, o.Quiets = h.notify.keeps(), true
	h.mu.Lock()
	defer h.mu.Unlock()
	o.Passes = h.passesBegun
	for name, n := range h.generations {
		o.Generations[name] = n.Load()
	}
	return o, files, nil
}

// handOver gives the next host the connections, and waits until that one serves. Both let clients in for a moment. An
// error before it has them leaves this host all that it had.
func (h *host) handOver(n *next) error {
	ctx, cancel := context.WithTimeout(h.now, goTime)
	defer cancel()
	began := time.Now()
	dials := h.suspendDials()
	all, err := n.giver.Offer(ctx)
	if err != nil {
		dials.resume()
		return err
	}
	records := dials.records()
	if err := n.giver.Hand(ctx); err != nil {
		dials.resume()
		return err
	}
	dials.leave()
	went := handed{Moved: all.Goes, Stayed: all.Stays, Paused: time.Since(began), Dials: records}
	h.log.Info("long-lived connections are handed over", "connections", went.Moved, "staying", went.Stayed, "paused",
		cli.HumanDuration(went.Paused))
	if err := h.awaitServing(n, went); err != nil {
		err = lost{fmt.Errorf("the connections were handed over, and then: %w: this host ends, since its connections "+
			"are gone", err)}
		h.end(err) // who keeps it starts it anew
		return err
	}
	return nil
}

func (h *host) awaitServing(n *next, went handed) error {
	if err := n.link.Send(sayGo, went); err != nil {
		return err
	}
	late := time.NewTimer(goTime)
	defer late.Stop()
	select {
	case <-n.serving:
		return nil
	case <-n.closed:
		select {
		case <-n.serving:
			return nil
		default:
			return n.why()
		}
	case <-late.C:
		return fmt.Errorf("the new host does not take over within %s", cli.HumanDuration(goTime))
	}
}

// leave has this host let nobody in any more, and end when all that it has is served out.
func (h *host) leave(n *next, a acceptance) {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	if n.keeper != nil {
		if err := n.keeper.adopt(); err != nil {
			h.log.Error("hosts that come after the next one can't be waited for", "error", err)
		}
	}
	n.passSignals()
	h.upgrade.replaced.Store(n)
	h.upgrade.keeper.serves(n.pid)
	h.notify.leaves(n.pid, h.upgrade.keeper == nil)
	if a.Control || h.upgrade.claim == nil { // else it is at another place now
		h.upgrade.control.Leave()
	}
	for _, l := range h.listeners() {
		if slices.Contains(a.Taken, placeOf(&l.config)) {
			l.server.LetGo()
			l.server.Vacate(n.giver.Vacated(l.config.Address))
		}
	}
	for _, other := range h.upgrade.opened {
		if slices.Contains(a.Taken, place{Address: other.address}) {
			if own, ok := other.socket.(*net.UnixListener); ok {
				own.SetUnlinkOnClose(false)
			}
			other.socket.Close()
		}
	}
	h.leaveTasks()
	if h.cluster != nil {
		h.cluster.Yield()
		h.ledger.Yield()
	}
	h.engine.Yield()
	n.link.Send(sayLeft, h.leavePrograms(n)) // if it does not arrive, that host learns by the link's end
	if b := h.upgrade.before; b != nil {
		b.link.Send(sayPassed, nil)
	}
	go h.outlived(n)
	h.log.Info("another host serves from now on, and this one finishes what it has", "next_pid", n.pid)
	if h.leaving.Swap(true) || h.stopping.Err() != nil { // somebody has asked for a stop meanwhile
		n.askToStop()
	}
	h.end(errStopped)
}

// askToStop has the host that took over stop gracefully; the second time it does nothing.
func (n *next) askToStop() { n.asked.Do(n.signalStop) }

// outlived is for a next host that ends before this one has: nobody serves new clients then. It ends with this host.
func (h *host) outlived(n *next) {
	for _, gone := range []<-chan struct{}{n.ended, n.closed} { // what it has said comes first
		select {
		case <-gone:
		case <-h.stopped:
			return
		}
	}
	if n.passed.Load() || h.now.Err() != nil {
		return
	}
	incoming, meaning := n.signals(), signals()
	h.log.Error("the host that had taken over has ended: nobody is let in until another one is started; this one "+
		"finishes the requests that it has, and ends then, or at once by SIGTERM", "next_pid", n.pid)
	for {
		select {
		case s := <-incoming:
			if meaning[s] == stopRequest {
				h.endNow()
			}
		case <-h.stopped:
			return
		}
	}
}

// drained tells the next host that nobody here needs the packets of HTTP/3 any more.
func (h *host) drained() {
	if n := h.upgrade.replaced.Load(); n != nil {
		n.link.Send(sayDrained, nil)
	}
}

// entertain serves those who are guests of the next host, until they go or upgrade_linger is over.
func (h *host) entertain() {
	n := h.upgrade.replaced.Load()
	if n == nil || h.upgrade.guests.Count() == 0 {
		return
	}
	h.log.Info("clients over TLS stay connected by this process", "guests", h.upgrade.guests.Count(), "upgrade_linger",
		h.config().UpgradeLinger.String())
	ctx, cancel := context.WithTimeout(h.now, h.upgrade.guests.Longest())
	defer cancel()
	h.upgrade.guests.Wait(ctx)
}

// afterwards is for a host that has ended. Where it was replaced, and somebody waits for this process who does not
// know the other one, it becomes that one's keeper, and does not return.
func (h *host) afterwards(err error) error {
	n := h.upgrade.replaced.Load()
	if n == nil {
		return err
	}
	n.link.Close() // by this, the next host learns that this one has ended
	if err != nil {
		h.log.Error("not all could be served out", "error", err)
	}
	if n.keeper == nil {
		return nil
	}
	debug.FreeOSMemory() // nothing of what it served is needed any more
	return passed(n.keeper.keep(n.pid, n.signals()))
}
