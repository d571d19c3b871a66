// notify_store.go has systemd keep descriptors for the next process of the service, should this one die
// (sd_pid_notify_with_fds(3), FileDescriptorStoreMax= of a unit): what waits in a socket waits on meanwhile.

package serve

import (
	"maps"
	"os"
	"slices"
	"time"
)

// storeVariable has the number of descriptors that systemd keeps for a service. Version 254 and later set it; for
// earlier ones the unit has to, since asking one that keeps none fills its log.
const storeVariable = "FDSTORE"

// canKeep says whether systemd keeps descriptors for this service.
func (n *notifier) canKeep() bool { return n.socket != "" && n.room > 0 }

// kept notes what an earlier process has had kept, under these names.
func (n *notifier) kept(names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range names {
		n.stored[name] = true
	}
}

// keeps are the names of what is kept, in order.
func (n *notifier) keeps() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.stored))
}

// isKept says whether something is kept under the name.
func (n *notifier) isKept(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stored[name]
}

// keep has these sockets kept by their names, and nothing else: what is kept under the names in useless, too, goes
// before. What is kept under the name of a nil one stays as it is. It closes the files, and waits until what it gives
// up is closed, so that its address is free.
func (n *notifier) keep(sockets map[string]*os.File, useless []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	defer func() {
		for _, f := range sockets {
			f.Close()
		}
	}()
	if n.left {
		return
	}
	gone := slices.Clone(useless)
	for name := range n.stored {
		if _, stays := sockets[name]; !stays {
			gone = append(gone, name)
		}
	}
	n.remove(gone)
	for _, name := range slices.Sorted(maps.Keys(sockets)) {
		switch {
		case n.stored[name] || sockets[name] == nil:
		case len(n.stored) >= n.room:
			n.log.Warn("systemd has no room to keep a listening socket, whose clients are refused if the host dies: "+
				"raise FileDescriptorStoreMax", "socket", name, "room", n.room)
		default:
			// what it sees of a socket's state is no reason to drop it
			if err := n.send("FDSTORE=1\nFDPOLL=0\nFDNAME="+name, sockets[name]); err != nil {
				n.log.Warn("systemd can't be asked to keep a listening socket", "socket", name, "error", err)
				continue
			}
			n.stored[name] = true
		}
	}
}

// forget gives up what an earlier process has had kept under these names, and waits likewise.
func (n *notifier) forget(names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.remove(names)
}

// remove has systemd close what it keeps under the names, and waits for that. The caller holds mu.
func (n *notifier) remove(names []string) {
	for _, name := range names {
		delete(n.stored, name)
		n.tell("FDSTOREREMOVE=1", "FDNAME="+name)
	}
	if len(names) > 0 && n.socket != "" {
		n.settled()
	}
}

// settled waits until systemd has heard all that it was told, but not for long (sd_notify_barrier(3)).
func (n *notifier) settled() {
	heard, theirs, err := os.Pipe()
	if err != nil {
		return
	}
	defer heard.Close()
	err = n.send("BARRIER=1", theirs)
	if theirs.Close(); err != nil {
		return
	}
	heard.SetReadDeadline(time.Now().Add(tellTime))
	heard.Read(make([]byte, 1)) // ends when they close it
}
