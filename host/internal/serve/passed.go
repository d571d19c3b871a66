// passed.go: sockets that the service manager has passed, and those that it is asked to keep, so that a host which
// dies loses no client that waits in them.

package serve

import (
	"os"

	"github.com/workerhost/workerhost/host/internal/activation"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/listen"
)

// wanted is what the listeners of a configuration need, and what the host itself listens at.
func wanted(c *config.Config) (all []activation.Wanted) {
	for _, l := range c.Listen {
		udp := l.Protocol == listen.UDP
		all = append(all, activation.Wanted{Address: l.Address, Stream: !udp, Packets: udp || l.HTTP3})
	}
	for _, address := range []string{c.Admin.Listen, c.Remote.Listen} {
		if address != "" {
			all = append(all, activation.Wanted{Address: address, Stream: true})
		}
	}
	return all
}

// dropUseless gives up what was kept for listeners that the configuration has no more: it would hold an address that
// another listener is to bind.
func (h *host) dropUseless() { h.notify.forget(h.upgrade.passed.Drop(wanted(h.config()))) }

// checkPassed says what is wrong between the configuration and what was passed, and tells of what nobody serves.
func (h *host) checkPassed(c *config.Config) error {
	unserved, err := h.upgrade.passed.Check(wanted(c))
	if err != nil {
		return err
	}
	for _, s := range unserved {
		h.log.Error("nobody serves a socket that the service manager has passed, and whoever connects to it waits "+
			"for ever: add a [[listen]] with its address, or remove it from the socket unit", "socket", s.String(),
			"address", activation.Prefix+s.Name)
	}
	return nil
}

// keepSockets has the service manager keep the sockets that this host serves, and no others.
func (h *host) keepSockets() {
	if !h.notify.canKeep() {
		return
	}
	h.upgrade.keeping.Lock() // one sees the listeners of the one before, or newer ones
	defer h.upgrade.keeping.Unlock()
	if h.stopping.Err() != nil { // what is kept is the next one's, while the listeners close
		return
	}
	sockets := map[string]*os.File{} // nil: as it is
	add := func(address string, packets bool, f *os.File) {
		name := activation.StoreName(address, packets)
		if f != nil && name != "" && !h.upgrade.passed.Has(address, packets) {
			sockets[name] = f
		} else if f != nil {
			f.Close()
		}
	}
	asItIs := func(address string, err error) {
		h.log.Warn("the service manager can't be given a listener's socket", "listener", address, "error", err)
		for _, packets := range []bool{false, true} {
			if name := activation.StoreName(address, packets); sockets[name] == nil {
				sockets[name] = nil
			}
		}
	}
	for _, l := range h.listeners() {
		there, err := l.server.Bound()
		if err != nil {
			asItIs(l.config.Address, err)
			continue
		}
		if !l.config.HTTP3 && l.config.Protocol != listen.UDP && there.Packets != nil { // nobody new is let in there
			there.Packets.Close()
			there.Packets = nil
		}
		add(l.config.Address, false, there.Socket)
		add(l.config.Address, true, there.Packets)
	}
	for _, other := range h.upgrade.opened {
		if f, err := other.socket.(interface{ File() (*os.File, error) }).File(); err != nil {
			asItIs(other.address, err)
		} else {
			add(other.address, false, f)
		}
	}
	used, useless := h.upgrade.passed.Settle()
	h.notify.kept(used)
	h.notify.keep(sockets, useless)
}

// leaveFiles has the files of those unix sockets stay that the service manager keeps, when the host ends: the next one
// goes on with them.
func (h *host) leaveFiles() {
	for _, l := range h.listeners() {
		if h.notify.isKept(activation.StoreName(l.config.Address, false)) {
			l.server.KeepFile()
		}
	}
}
