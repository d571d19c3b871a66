// The ward: an extra worker for requests and events that were under way in a worker of many when that died, and that
// may be tried once more. One of them may be what killed it, and nobody knows which. So they get a worker that takes
// nothing else, one after the other: what kills each worker costs one process more, and nobody else anything. Events,
// which wait as long as it takes, go to any worker once they have waited for this one as long as a request may.

package workers

import (
	"slices"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// ward has the requests that wait for the extra worker. Guarded by dispatcher.mu.
type ward struct {
	waiting []*exchange // in the order in which they came
	tended  bool        // Pool.tend runs
}

// isolate has x tried once more by itself, after a worker has worked on it for so long in vain.
func (p *Pool) isolate(x *exchange, worked time.Duration) {
	d := &p.dispatch
	d.mu.Lock()
	if x.deadline = x.deadline.Add(worked); x.patient {
		x.deadline = time.Now().Add(d.timeout)
	}
	d.ward.waiting = append(d.ward.waiting, x)
	begins := !d.ward.tended
	d.ward.tended = true
	d.mu.Unlock()
	if begins {
		p.tasks.Go(p.tend) // a worker that is not gone yet keeps Stop from having waited for it
	}
}

// tend serves the ward until nobody is left in it. Whoever waits for the extra worker to start may leave meanwhile.
func (p *Pool) tend() {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var w *worker
	for p.dispatch.wardWaits() {
		if w != nil && w.dispatchState() != Idle {
			w.kill("it is not to be asked any more")
			<-w.end.gone
			w = nil
		}
		var why string
		if w == nil {
			began := make(chan struct{})
			p.tasks.Go(func() { w, why = p.extraWorker(); close(began) })
			p.heedTime(tick.C, began, nil, nil)
		}
		x, stopping := p.dispatch.nextOfWard()
		switch {
		case x == nil:
			continue
		case stopping:
			x.finish(&protocol.Failure{Kind: protocol.FailedStopping, Detail: p.why(protocol.FailedStopping)})
			continue
		case why == "" && !x.deadline.After(time.Now()):
			why = noTime
		case why == "" && !p.dispatch.give(w, x):
			why = "its worker died, and so did the one that was to try it once more"
		}
		if why != "" {
			x.lost(why)
			continue
		}
		p.heedTime(tick.C, w.vacated, w.end.gone, w.end.unheeded) // it may never be done with what it has
	}
	if w != nil {
		p.retire(w)
	}
}

// heedTime waits for one of the three, and fails those in the ward whose time is up meanwhile.
func (p *Pool) heedTime(tick <-chan time.Time, a, b, c <-chan struct{}) {
	for {
		select {
		case <-a:
			return
		case <-b:
			return
		case <-c:
			return
		case now := <-tick:
			for _, x := range p.dispatch.overdueInWard(now) {
				x.lost(noTime)
			}
		}
	}
}

const noTime = "its worker died, and there was no time to try it once more"

// lost fails a request that is not tried once more by itself. An event goes to any worker.
func (x *exchange) lost(why string) {
	if x.patient {
		x.pool.dispatch.requeue(x, 0)
		return
	}
	x.pool.log.Error("request lost: "+why, x.named()...)
	x.finish(&protocol.Failure{Kind: protocol.FailedDied, Detail: why})
}

// extraWorker starts a worker that is in no slot, or says why it can't.
func (p *Pool) extraWorker() (w *worker, why string) {
	p.do(func() {
		if !p.stopping {
			w = p.launch(p.proven, &slot{index: p.freeIndex(nil), outside: true, extra: true, gen: p.proven})
		}
	})
	if w == nil {
		return nil, "its worker died, and the pool is stopping"
	}
	err := p.awaitBoot(w)
	switch {
	case err != nil:
		w.voice.booted(err.Error())
		return nil, "its worker died, and no other one starts: " + err.Error()
	case !p.dispatch.lodge(w):
		return nil, "its worker died, and so did the one that was to try it once more"
	}
	w.log.Info("extra worker is ready, for what a worker that died had begun")
	return w, ""
}

// wardWaits says whether anybody is in the ward, and ends its tending if not.
func (d *dispatcher) wardWaits() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ward.tended = len(d.ward.waiting) > 0
	return d.ward.tended
}

// nextOfWard takes the next one out; nil is that nobody is there. stopping says that nobody is served any more.
func (d *dispatcher) nextOfWard() (x *exchange, stopping bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ward.waiting) > 0 {
		x, d.ward.waiting = d.ward.waiting[0], d.ward.waiting[1:]
		d.tellEmpty()
	}
	return x, d.closed
}

// overdueInWard takes those out whose time is up.
func (d *dispatcher) overdueInWard(now time.Time) (due []*exchange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range slices.Clone(d.ward.waiting) {
		if !x.deadline.After(now) && d.leaveWard(x) {
			due = append(due, x)
		}
	}
	return due
}

// leaveWard takes x out, and says whether it was there. Under mu.
func (d *dispatcher) leaveWard(x *exchange) bool {
	i := slices.Index(d.ward.waiting, x)
	if i >= 0 {
		d.ward.waiting = slices.Delete(d.ward.waiting, i, i+1)
		d.tellEmpty()
	}
	return i >= 0
}

// lodge makes an extra worker that is READY idle, and says whether it is still there.
func (d *dispatcher) lodge(w *worker) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.duty.state != Starting {
		return false
	}
	w.duty.state.moveTo(Idle)
	w.duty.idleSince = time.Now()
	return true
}

// give has an extra worker begin x, and says whether it is still there.
func (d *dispatcher) give(w *worker, x *exchange) bool {
	d.mu.Lock()
	if w.duty.state != Idle {
		d.mu.Unlock()
		return false
	}
	d.handing.Add(1)
	w.duty.inflight++
	w.duty.state.moveTo(Busy)
	d.mu.Unlock()
	d.hand(w, x)
	return true
}

// vacates tells tend that an extra worker has nothing at hand. Under mu.
func (w *worker) vacates() {
	select {
	case w.vacated <- struct{}{}:
	default:
	}
}
