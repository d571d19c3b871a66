// Crowding: how the dispatcher notices that there are too few workers, without a look at each request's clock.

package workers

import "time"

// crowding is guarded by dispatcher.mu. Short requests free a worker for a moment again and again, so it is added up
// how long none had room.
type crowding struct {
	grows  bool          // the pool may have more workers
	since  time.Time     // since when no worker has room; zero if one has
	window time.Time     // since when it is added up
	full   time.Duration // the sum, without what goes on
	alarm  *time.Timer   // looks whether that is too long
	armed  bool
	due    time.Time // when
}

// fullFor is the sum up to now.
func (c *crowding) fullFor(now time.Time) time.Duration {
	if c.since.IsZero() {
		return c.full
	}
	return c.full + now.Sub(c.since)
}

// restart adds up from now on.
func (c *crowding) restart(now time.Time) {
	c.window, c.full = now, 0
	if !c.since.IsZero() {
		c.since = now
	}
}

// mayGrow says whether there is anything to be done about crowding.
func (d *dispatcher) mayGrow(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crowd.grows = yes
	d.noteCrowding()
}

// noteCrowding is called when workers came to have room, or to have none. Under mu.
func (d *dispatcher) noteCrowding() {
	c := &d.crowd
	crowded := len(d.free) == 0 && d.ready > 0 // where no worker is ready, one is on its way, or none can start
	switch {
	case !c.grows:
		c.since = time.Time{}
	case !crowded && !c.since.IsZero():
		c.full += time.Since(c.since)
		c.since = time.Time{}
	case crowded && c.since.IsZero():
		c.since = time.Now()
		if !c.armed { // one that is set looks soon enough
			c.restart(c.since)
			d.lookAtCrowd(queuePatience)
		}
	}
}

// noteWaiting is called when a request or an event comes to wait and no other does. Under mu.
func (d *dispatcher) noteWaiting(now time.Time) {
	if c := &d.crowd; c.grows && c.due.After(now.Add(queuePatience)) {
		d.lookAtCrowd(queuePatience)
	}
}

// lookAtCrowd sets the alarm. Under mu.
func (d *dispatcher) lookAtCrowd(in time.Duration) {
	c := &d.crowd
	in = max(in, time.Millisecond)
	c.armed, c.due = true, time.Now().Add(in)
	if c.alarm == nil {
		c.alarm = time.AfterFunc(in, d.onCrowd)
	} else {
		c.alarm.Reset(in)
	}
}

// longestWait is how long the one that has waited longest has been here. Under mu.
func (d *dispatcher) longestWait(now time.Time) (longest time.Duration) {
	for _, x := range []*exchange{d.queue.head, d.firstNormal(), d.patient.head, d.modest.head} {
		if x != nil {
			longest = max(longest, x.waited(now))
		}
	}
	return longest
}

// onCrowd has the pool grow if requests or events wait for too long, or if for busyPatience no worker had room most of
// the time.
func (d *dispatcher) onCrowd() {
	d.mu.Lock()
	c := &d.crowd
	c.armed = false
	now := time.Now()
	age := now.Sub(c.window)
	busy := c.fullFor(now) >= age*3/4
	if !c.grows || d.stopping.Load() || d.barren || !busy && d.first() == nil {
		d.mu.Unlock()
		return // the next time that no worker has room it is set anew
	}
	rest, queued := busyPatience-age, 0
	if d.first() == nil && rest < -busyPatience { // it was told to wait, and what was before does not count
		c.restart(now)
		rest = busyPatience
	}
	if d.first() != nil {
		if waited := d.longestWait(now); waited >= queuePatience {
			rest, queued = 0, d.queue.length+d.patient.length+d.modest.length
		} else if rest = min(rest, queuePatience-waited); !busy {
			rest = queuePatience - waited
		}
	}
	if rest > 0 {
		d.lookAtCrowd(rest)
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	again := time.Duration(0)
	d.pool.do(func() { again = d.pool.grow(queued) })
	d.mu.Lock()
	defer d.mu.Unlock()
	c.restart(time.Now())
	if again > 0 && !c.armed && c.grows && !d.stopping.Load() {
		d.lookAtCrowd(again)
	}
}
