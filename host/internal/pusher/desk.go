// The desk: what has to be done one after the other, and may have to wait for the hub.

package pusher

import "sync"

// desk does things in the order in which they were given to it. It has a goroutine while there is something to do.
type desk struct {
	mu      sync.Mutex
	waiting []func() // guarded by mu
	busy    bool     // likewise
}

// do has f done, and returns at once.
func (d *desk) do(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, f)
	if !d.busy {
		d.busy = true
		go d.work()
	}
}

// work ends when nothing is left.
func (d *desk) work() {
	for {
		d.mu.Lock()
		if len(d.waiting) == 0 {
			d.waiting, d.busy = nil, false
			d.mu.Unlock()
			return
		}
		f := d.waiting[0]
		d.waiting[0] = nil
		d.waiting = d.waiting[1:]
		d.mu.Unlock()
		f()
	}
}
