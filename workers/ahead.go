// Handing ahead: a fast worker gets its next request before it is done with the one at hand, so that neither side goes
// to sleep and is woken for each request (SPEC.md §4.5). Only a request that may be repeated is handed ahead, or a
// connection's message, only to a worker that offers it, and one that comes to wait is recalled and given to another
// worker.

package workers

import (
	"slices"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

const (
	aheadFeature = "ahead"
	// aheadPatience is how long a request may wait behind others before it is recalled.
	aheadPatience = time.Millisecond
	// askPatience is how long a worker has to give an event back that it was asked for.
	askPatience = 3 * time.Millisecond
)

// depth is how many requests w may have ahead: none that would have to wait for long. For slow requests a wake-up does
// not matter, and a wait would. Under dispatcher.mu.
func (w *worker) depth() int {
	switch {
	case !w.offer.readsAhead || w.duty.state != Busy:
		return 0
	case w.duty.pace == 0: // not known yet
		return 1
	}
	return min(protocol.MaxAhead, int(aheadPatience/2/w.duty.pace))
}

// takesAhead says whether w may have one more. Under dispatcher.mu.
func (w *worker) takesAhead() bool { return w.duty.inflight > 0 && w.duty.inflight <= w.depth() }

// runsLow says whether w is to be handed more: several requests cost hardly more than one if they go in one write, and
// it has some left meanwhile. Under dispatcher.mu.
func (w *worker) runsLow() bool { return w.duty.inflight > 0 && w.duty.inflight <= (w.depth()+1)/2 }

// ahead is the dispatcher's account of what was handed ahead. Guarded by dispatcher.mu.
type ahead struct {
	waiting   []*exchange // oldest first; an entry counts while its behind is set
	recalling int         // on their way between the queue and there
	timer     *time.Timer // recalls for idle workers
	armed     bool
}

// topUp hands w, whose reader calls it after a DONE, requests from the head of the queue while it works on another
// one.
func (d *dispatcher) topUp(w *worker) {
	d.mu.Lock()
	if d.first() == nil || !w.runsLow() {
		d.mu.Unlock()
		return
	}
	w.conn.Cork() // they all go in one write
	// What can't be handed ahead is not passed.
	for x := d.first(); x != nil && w.takesAhead() && x.aheadable(); x = d.first() {
		d.ahead.recalling++ // it is on its way, so the queue is not empty yet
		d.remove(x)
		w.duty.inflight++
		d.mu.Unlock()
		begun := w.begin(x)
		// DONE for the request before is read by this goroutine, so it can't come in between.
		d.mu.Lock()
		if begun && w.duty.state == Busy { // else it is draining or dead, and the request is seen to there
			x.behind, x.since = w, time.Now()
			w.duty.next = append(w.duty.next, x)
			d.ahead.waiting = append(d.ahead.waiting, x)
		}
		d.ahead.recalling--
		d.tellEmpty()
	}
	d.watchAhead() // a worker may have become idle meanwhile
	d.mu.Unlock()
	w.conn.Uncork() // a broken pipe shows in the exit
}

// aheadable says whether x may be begun twice, which a recall can't rule out, and is all in one frame.
func (x *exchange) aheadable() bool {
	switch r := x.request.(type) {
	case *protocol.Request:
		return x.repeat && r.Whole()
	case *protocol.Incoming:
		return x.repeat && r.Whole()
	}
	return false
}

// noteRecall marks a recalled event as given once more, since it can't be ruled out that its worker has begun it. That
// is no death: it may still survive one.
func (x *exchange) noteRecall() {
	if x.isEvent() && x.request.Attempts() < 2 {
		x.request.SetAttempt(2)
		x.spared = true
	}
}

// notBehind takes x from what its worker has ahead. Whoever calls it sees to tellEmpty. Under mu.
func (d *dispatcher) notBehind(x *exchange) {
	w := x.behind
	w.duty.next = slices.DeleteFunc(w.duty.next, func(other *exchange) bool { return other == x })
	x.behind = nil
	d.trim()
}

// trim drops entries from the front that count no more. Under mu.
func (d *dispatcher) trim() {
	q := d.ahead.waiting
	for len(q) > 0 && q[0].behind == nil {
		q[0] = nil
		q = q[1:]
	}
	if len(q) == 0 {
		q = d.ahead.waiting[:0]
	}
	d.ahead.waiting = q
}

// overdue takes the request that has waited longest behind another one, if that is for patience at least. Under mu.
func (d *dispatcher) overdue(patience time.Duration) *exchange {
	if d.trim(); len(d.ahead.waiting) == 0 || d.closed { // closed: nothing comes back into the queue
		return nil
	}
	x := d.ahead.waiting[0]
	if time.Since(x.since) < patience {
		return nil
	}
	d.notBehind(x)
	d.ahead.recalling++
	return x
}

// recall puts a request that was taken from behind another one, and counted in recalling, back in front of the queue.
// It says false if its worker has begun it meanwhile, and for an event, which is asked back first: a safe request may
// be run twice, but a message should not be.
func (d *dispatcher) recall(x *exchange) bool {
	x.mu.Lock()
	a := x.attempt
	x.mu.Unlock()
	switch {
	case !x.isEvent():
		return d.moveBack(a, true, false)
	case !a.ask():
		return d.moveBack(a, false, false)
	case a.unread(): // it will be read together with the RESET
		return d.moveBack(a, true, false)
	}
	time.AfterFunc(askPatience, func() { d.takeBack(a) })
	return false
}

// takeBack ends the time for which a was asked back. A worker that is not done yet with what was before it has not
// begun it, and will find that it was asked back; one that is done has given it back, or handles it.
func (d *dispatcher) takeBack(a *attempt) {
	d.mu.Lock()
	closed := d.closed
	d.mu.Unlock()
	d.moveBack(a, !closed && a.isWaiting(), true)
}

// moveBack puts what was recalled, and counted in recalling, back in front of the queue, if it may; marked, if it
// can't be ruled out that it has begun.
func (d *dispatcher) moveBack(a *attempt, may, marked bool) bool {
	x := a.x
	recalled := may && a.recall()
	if recalled {
		if marked {
			x.noteRecall()
		}
		d.requeue(x, 0)
	}
	d.mu.Lock()
	d.ahead.recalling--
	d.tellEmpty()
	d.mu.Unlock()
	return recalled
}

// recallOverdue recalls all that has waited behind other requests for patience.
func (d *dispatcher) recallOverdue(patience time.Duration) {
	for {
		d.mu.Lock()
		x := d.overdue(patience)
		d.mu.Unlock()
		if x == nil {
			return
		}
		d.recall(x)
	}
}

// recallLate moves what has waited for long behind other requests back into the queue, so that it is subject to the
// queue's deadline.
func (d *dispatcher) recallLate() {
	d.mu.Lock()
	some := len(d.ahead.waiting) > 0
	d.mu.Unlock()
	if some {
		// ends at once, but for a sink's call under way; run, which calls this, never waits
		go d.recallOverdue(watchInterval)
	}
}

// watchAhead sees to it that an idle worker does not stay idle while a request waits behind another one. Under mu.
func (d *dispatcher) watchAhead() {
	if len(d.ahead.waiting) == 0 || d.ahead.armed || len(d.free) == 0 {
		return
	}
	d.ahead.armed = true
	if d.ahead.timer == nil {
		d.ahead.timer = time.AfterFunc(aheadPatience, d.recallForIdle)
	} else {
		d.ahead.timer.Reset(aheadPatience)
	}
}

func (d *dispatcher) recallForIdle() {
	d.mu.Lock()
	d.ahead.armed = false
	idle := len(d.free) > 0
	d.mu.Unlock()
	if idle {
		d.recallOverdue(aheadPatience)
		d.mu.Lock()
		d.watchAhead() // what is not due yet
		d.mu.Unlock()
	}
}

// ask asks the worker to give an event back that it has not begun (SPEC.md §4.5). It says false if that is in vain.
func (a *attempt) ask() bool {
	a.calls.Lock()
	defer a.calls.Unlock()
	if a.over || a.answer != mute {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.tenure.leased() || a.reset || a.asked {
		return false
	}
	a.asked = true
	a.worker.conn.Send(&protocol.Reset{Stream: a.id, Code: protocol.ResetRecalled}) // a broken pipe shows in the exit
	return true
}

// unread says that the worker has not read the event yet, nor then what was sent after it.
func (a *attempt) unread() bool {
	accepted, written := a.worker.conn.Sent()
	unread := a.worker.process.Unread()
	still, _ := a.worker.conn.Sent() // the two are of one moment if nothing was sent in between
	return unread >= 0 && accepted == written && accepted == still && a.unseen(written-int64(unread))
}

// recall takes the request from its worker. It says false if the worker has begun it, or if nobody waits for it.
func (a *attempt) recall() bool {
	a.calls.Lock()
	defer a.calls.Unlock()
	if a.over || a.answer != mute {
		return false
	}
	w := a.worker
	w.mu.Lock()
	leased := w.link.streams[a.id] == a // else its DONE, or its worker's death, is being seen to
	a.recalled = leased
	w.mu.Unlock()
	if leased {
		a.over = true
		a.giveUp(protocol.Reset{Code: protocol.ResetCancelled}, nil)
	}
	return leased
}

// following starts the clock for what the worker has at hand after a, and returns that if it is the worker's still. A
// recalled request's DONE may come while the worker is busy with one before it: then there is nothing new at hand.
// Under w.mu.
func (w *worker) following(a *attempt, now time.Time) (next *attempt) {
	if !w.offer.readsAhead || a.isWaiting() {
		return nil
	}
	for id := a.id; next == nil; next = w.link.streams[id] { // all others came after it, most often at once
		if id == w.link.lastID {
			return nil
		}
		id += 2
	}
	next.atHand(now)
	if next.recalled {
		return nil
	}
	return next
}

func (a *attempt) isWaiting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tenure == behind
}

// atHand starts the clock for a request that waited behind another one.
func (a *attempt) atHand(now time.Time) {
	a.mu.Lock()
	a.enters(atHand)
	a.progress, a.begun = now, now
	a.mu.Unlock()
}

// paced takes one more request's duration into the worker's average. Under dispatcher.mu.
func (w *worker) paced(took time.Duration) {
	w.duty.pace += (took - w.duty.pace) / 8
}
