// rollout.go is the part of a pass in which pools take their new code: all of them or none, unless it was asked for
// each by itself. Of several pools none changes before the first new worker of each is ready; and if one fails after
// that, those before it are put back.

package serve

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/workers"
)

// move is a pool on its way to its new code.
type move struct {
	next    plannedPool
	before  *config.Pool
	roll    *workers.Roll // nil if the pool has no workers to reload
	staged  bool          // it stops at its gate first, until all others wait at theirs
	decided bool          // it may go on, or has been withdrawn

	waiting  chan struct{} // closed when it waits at its gate
	ended    chan struct{} // closed when its end has been told
	last     workers.Event // from then on
	restored bool          // likewise: it failed, and put workers back by itself
	back     bool          // it was put back after that
}

func (m *move) isWaiting() bool {
	select {
	case <-m.waiting:
		return true
	case <-m.ended:
		return false
	}
}

func (m *move) hasEnded() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

func (m *move) completed() bool {
	<-m.ended
	return m.last.Kind == workers.EventCompleted
}

// verdict is how a pass ends, and why; verdict.go says it in words.
type verdict struct {
	outcome control.Outcome
	// why a canary was turned back, and what to do
	evidence, remedy string
	looked           string // what came of a shadow

	broken  []string // pools whose new code does not start
	staying []string // pools that could not be put back on what they ran before
	back    []string // pools of which something was replaced, and put back
	live    []string // pools that took the new code, and stay on it though others did not: with --each
	gate    string   // a command that the reload did not pass

	rollback bool // it is one of a roll back
	files    bool // files of a listener could not be read again, when all pools had the new code
}

// roll has the pools take their new code and settings. It says whether all of them did.
func (p *pass) roll(pools []plannedPool) (ok bool) {
	pools = slices.DeleteFunc(slices.Clone(pools), p.keeps)
	var moves []*move // those that have begun
	ok = true
	if len(pools) > 1 && !p.ask.Each {
		for i := 0; ok && i < len(pools); i++ {
			moves = append(moves, p.start(pools[i], true))
			ok = moves[i].isWaiting()
		}
		ok = ok && !slices.ContainsFunc(moves, (*move).hasEnded) // one may have died while it waited
	}
	for i := 0; ok && i < len(pools); i++ {
		if ok = !p.aborted.Load(); !ok {
			break
		}
		if i == len(moves) {
			moves = append(moves, p.start(pools[i], false))
		} else {
			moves[i].decided = true
			moves[i].roll.Proceed()
		}
		if ok = moves[i].completed(); ok {
			pools[i].old.take(pools[i].config)
		}
	}
	switch {
	case !ok:
		p.retreat(moves, pools[len(moves):])
	case p.back == nil && !p.again(): // commands are of code that comes, and not of code that was here
		ok = p.passAfter(moves)
	}
	if !ok {
		for _, m := range moves {
			m.next.old.amendDials()
		}
	}
	for _, m := range moves {
		if m.completed() && !m.back {
			p.conclude(m)
			if !ok && p.ask.Each {
				p.verdict.live = append(p.verdict.live, m.next.old.name)
			}
		}
	}
	return ok
}

// keeps says whether a pool's workers stay whatever comes, and tells of it.
func (p *pass) keeps(next plannedPool) bool {
	if next.config.Reload != "never" {
		return false
	}
	p.account.Add(control.Event{Kind: control.Kept, Pool: next.old.name})
	for _, c := range next.changesKept() {
		p.tell(c.event(control.Changed))
	}
	heeded := *next.old.config()
	heeded.Reload = next.config.Reload
	next.old.settings.Store(&heeded)
	return true
}

// changesKept are the changes of a pool that keeps its workers: that it does takes effect, and the others wait.
func (next *plannedPool) changesKept() []change {
	all := slices.Clone(next.changes)
	for i := range all {
		all[i].live = all[i].key == "reload"
	}
	return all
}

// start starts the reload of a pool, and tells how it goes.
func (p *pass) start(next plannedPool, staged bool) *move {
	m := &move{
		next: next, before: next.old.config(), staged: staged, decided: !staged,
		waiting: make(chan struct{}), ended: make(chan struct{}),
	}
	began := time.Now()
	fail := func(err error) *move {
		m.last = workers.Event{Kind: workers.EventFailed, Cause: err}
		p.account.Add(control.Event{Kind: control.Failed, Pool: next.old.name, Error: err.Error()})
		close(m.ended)
		return m
	}
	<-next.old.started // a deploy may start the host and reload it at once
	if !next.old.running.Load() {
		return fail(errors.New("the pool could not be started; the host's log says why"))
	}
	pool := next.old.workers
	if err := p.lay(next); err != nil {
		return fail(err)
	}
	if staged {
		m.roll = pool.Stage()
	} else {
		m.roll = pool.Reload()
	}
	if p.aborted.Load() { // a moment before there was anything to abort
		pool.Abort()
	}
	go func() { // ends with the roll
		defer close(m.ended)
		m.roll.Follow(context.Background(), func(e workers.Event) error { // without a deadline it reaches the end
			m.last = e
			m.restored = m.restored || e.Kind == workers.EventRestored
			p.account.Add(m.event(e, time.Since(began)))
			if e.Kind == workers.EventStaged {
				close(m.waiting)
			}
			return nil
		})
	}()
	return m
}

// event translates a line of the roll's account.
func (m *move) event(e workers.Event, took time.Duration) control.Event {
	old := m.next.old
	switch {
	case e.Kind != workers.EventFailed:
	case errors.Is(e.Cause, workers.ErrWithdrawn):
		return control.Event{Kind: control.Skipped, Pool: old.name}
	case errors.Is(e.Cause, workers.ErrAborted) && m.staged && e.Replaced == 0:
		return control.Event{Kind: control.Aborted, Pool: old.name}
	}
	shown := old.event(e)
	switch e.Kind {
	case workers.EventFailed:
		shown.Running = running(old.workers.Status())
		if errors.Is(e.Cause, workers.ErrAborted) {
			shown.Outcome = control.WasAborted
		}
		fallthrough
	case workers.EventCompleted:
		shown.Took = control.Millis(took)
	}
	return shown
}

// conclude is for a pool that has changed, and stays so.
func (p *pass) conclude(m *move) {
	old := m.next.old
	old.fault.Store(nil)
	p.remember(m)
	old.noteReleases(p.host)
	for _, c := range m.next.changes {
		p.tell(c.event(control.Changed))
	}
}

// retreat withdraws what waits, leaves those that have not begun as they are, puts back what has changed, and notes
// why.
func (p *pass) retreat(moves []*move, left []plannedPool) {
	for _, m := range moves {
		if !m.decided && m.roll != nil {
			m.roll.Withdraw()
		}
		<-m.ended
	}
	for _, next := range left {
		e := control.Event{Kind: control.Skipped, Pool: next.old.name}
		if p.aborted.Load() {
			e.Kind = control.Aborted
		}
		p.account.Add(e)
	}
	p.verdict.outcome = control.WasAborted // between two pools
	for _, m := range moves {
		p.blame(m)
	}
	if p.ask.Each {
		return
	}
	for _, m := range slices.Backward(moves) {
		if m.completed() {
			p.putBack(m)
		}
	}
}

// blame notes what a move that failed says of the pass.
func (p *pass) blame(m *move) {
	v := &p.verdict
	switch err := m.last.Cause; {
	case m.completed() || errors.Is(err, workers.ErrWithdrawn):
		return
	case errors.Is(err, workers.ErrStopping):
		v.outcome = control.HostStopped
	case errors.Is(err, workers.ErrAborted):
	default:
		v.outcome = control.NotDone
		v.broken = append(v.broken, m.next.old.name)
	}
	if m.last.Replaced > 0 {
		v.staying = append(v.staying, m.next.old.name)
	} else if m.restored {
		v.back = append(v.back, m.next.old.name)
	}
}

// putBack has a pool that has changed run again what it ran before.
func (p *pass) putBack(m *move) {
	old := m.next.old
	began := time.Now()
	var last workers.Event
	old.workers.Undo(m.roll).Follow(context.Background(), func(e workers.Event) error {
		last = e
		shown := m.event(e, time.Since(began))
		switch e.Kind {
		case workers.EventCompleted:
			shown.Kind = control.PutBack
		case workers.EventFailed:
			shown.Kind = control.Stays
		}
		p.account.Add(shown)
		return nil
	})
	if last.Kind != workers.EventCompleted {
		p.verdict.staying = append(p.verdict.staying, old.name)
		return
	}
	m.back = true
	p.verdict.back = append(p.verdict.back, old.name)
	old.settings.Store(m.before)
}

// summary is what runs where at the end, and what to do if it did not go well.
func (p *pass) summary(took time.Duration) control.Event {
	e := control.Event{Kind: control.Summary, Outcome: p.verdict.ending(), What: p.verdict.words(),
		Took: control.Millis(took)}
	pools := p.host.pools()
	for _, old := range pools {
		e.Pools = append(e.Pools, old.now())
	}
	return e
}

// now is what the pool runs.
func (p *pool) now() control.PoolNow {
	now := control.PoolNow{Pool: p.name, Running: []control.Running{}}
	if p.running.Load() {
		st := p.workers.Status()
		now.Generation, now.Directory = st.Generation, st.Directory
		now.Running = append(now.Running, running(st)...)
		slots := slices.DeleteFunc(st.Workers, func(w workers.WorkerStatus) bool { return w.State == workers.Parked })
		now.Workers = len(slices.CompactFunc(slots, func(a, b workers.WorkerStatus) bool {
			return a.Slot == b.Slot
		}))
	}
	return now
}
