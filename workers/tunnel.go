// Tunnels: a request that was answered with 101 becomes a stream of bytes both ways (SPEC.md §5.9). It is leased as
// before, but takes no room of the worker's, and no time-out counts for it.

package workers

import "time"

// opensTunnel has the sink send from now on what the client says. Under calls; openTunnel follows, without.
func (a *attempt) opensTunnel() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tunnel, a.sentEnd = time.Now(), false
}

// isTunnel says whether it is one.
func (a *attempt) isTunnel() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.tunnel.IsZero()
}

// openTunnel counts the attempt as one, if it has become that, and gives its room to the next in the queue.
func (d *dispatcher) openTunnel(a *attempt) {
	if !a.isTunnel() {
		return
	}
	d.mu.Lock()
	a.worker.duty.tunnels++
	d.relist(a.worker)
	d.serveQueue() // unlocks
}

// closeTunnel counts it no more, if it was one: its lease ends now.
func (d *dispatcher) closeTunnel(a *attempt) {
	if a.isTunnel() {
		d.mu.Lock()
		a.worker.duty.tunnels--
		d.mu.Unlock()
	}
}

// ran is how long the worker took for the request: a tunnel's time is not counted.
func (a *attempt) ran(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.tunnel.IsZero() {
		now = a.tunnel
	}
	return now.Sub(a.begun)
}

// tellLeaving says to those who want to know that the worker leaves: what it has then is given up within that time.
func (w *worker) tellLeaving(within time.Duration) {
	for _, a := range w.attempts() {
		if a.x.leaves == nil {
			continue
		}
		a.calls.Lock()
		if !a.over {
			a.x.leaves(within)
		}
		a.calls.Unlock()
	}
}
