// Crowding: how the dispatcher notices that there are too few workers, without a look at each request's clock.

package workers

import "time"

// crowding is guarded by dispatcher.mu.
type crowding struct {
	grows bool        // the pool may have more workers
	since time.Time   // since when no worker has room; zero if one has
	alarm *time.Timer // looks whether that is too long
	armed bool
	due   time.Time // when
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
	switch {
	case !c.grows || len(d.free) > 0:
		c.since = time.Time{}
	case c.since.IsZero():
		c.since = time.Now()
		if !c.armed { // one that is set looks soon enough
			d.lookAtCrowd(queuePatience)
		}
	}
}

// noteWaiting is called when a request comes to wait and no other does. Under mu.
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

// onCrowd has the pool grow if requests wait for too long, or no worker has had room for long.
func (d *dispatcher) onCrowd() {
	d.mu.Lock()
	c := &d.crowd
	c.armed = false
	if c.since.IsZero() || d.stopping || d.barren {
		d.mu.Unlock()
		return
	}
	now := time.Now()
	rest, queued := busyPatience-now.Sub(c.since), 0
	if d.head != nil {
		waited := d.head.waited(now)
		if x := d.firstNormal(); x != nil {
			waited = max(waited, x.waited(now))
		}
		if left := queuePatience - waited; left <= 0 {
			queued = d.queued
			rest = 0
		} else {
			rest = min(rest, left)
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
	if !c.since.IsZero() && again > 0 && !c.armed {
		d.lookAtCrowd(again)
	}
}
