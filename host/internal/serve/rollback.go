// rollback.go leads pools back to what they ran before: a pass that reads no configuration.

package serve

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// life is a generation of a pool that went live.
type life struct {
	generation uint64
	pass       uint64 // that brought it; 0 is the pool's start
	config     *config.Pool
}

// Rollback implements [control.Host].
func (h *host) Rollback(ask control.Rollback) (*control.Account, error) {
	if err := h.checkNames(ask.Pools); err != nil {
		return nil, err
	}
	if ask.Generation != 0 && len(ask.Pools) != 1 {
		if pools := h.pools(); len(pools) > 1 {
			return nil, errors.New("each pool counts its own generations: say which pool is meant with --pool NAME; " +
				"nothing was changed")
		}
		ask.Pools = []string{h.pools()[0].name}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.enqueue(&pass{host: h, back: &ask, by: []control.By{ask.By}})
}

// rollBack is the sequence of such a pass.
func (p *pass) rollBack() {
	p.verdict.rollback = true
	next, err := p.wayBack()
	if err != nil {
		p.verdict.outcome = control.NotDone
		p.host.log.Error("roll back: nothing was changed", "error", err.Error())
		p.account.Add(control.Event{Kind: control.Failed, Error: err.Error()})
		return
	}
	from := map[*pool]uint64{}
	for _, n := range next {
		from[n.old] = n.old.live()
	}
	if !p.roll(next) {
		return
	}
	p.host.layFiles()
	var names []string
	for _, n := range next {
		names = append(names, n.old.name)
	}
	p.host.services.change(p.host.config(), names)
	p.leadBack(next)
	for _, n := range next {
		if n.old.live() == n.back {
			p.tellRemains(n, from[n.old])
		}
	}
}

// wayBack are the pools that are to change, each with the generation to go back to. An error is of what can't be had
// again: then none changes.
func (p *pass) wayBack() (next []plannedPool, err error) {
	pools := p.host.pools()
	if len(p.back.Pools) > 0 {
		pools = slices.DeleteFunc(slices.Clone(pools), func(old *pool) bool {
			return !slices.Contains(p.back.Pools, old.name)
		})
	} else {
		pools = lastChanged(pools)
	}
	if len(pools) == 0 {
		return nil, errors.New("no reload has completed since the host's start, so there is nothing to go back to; " +
			"what ran before is put live by leading `directory` to it, and host reload")
	}
	var problems []error
	for _, old := range pools {
		<-old.started
		to, err := old.workers.CanRevert(p.back.Generation)
		i := slices.IndexFunc(old.lives, func(l life) bool { return l.generation == to })
		if err == nil && i < 0 { // another reload came between
			err = fmt.Errorf("pool %s: generation %d is not known", old.name, to)
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		c := old.lives[i].config
		next = append(next, plannedPool{config: c, old: old, back: to, changes: poolDifferences(old.config(), c)})
	}
	return next, errors.Join(problems...)
}

// lastChanged are the pools whose code the latest reload has brought, of all that are live: a roll back undoes that
// one, and the next roll back the one before it.
func lastChanged(pools []*pool) (changed []*pool) {
	latest := uint64(1)
	for _, p := range pools {
		switch l := p.lived(); {
		case l == nil || l.pass < latest:
		case l.pass > latest:
			latest, changed = l.pass, []*pool{p}
		default:
			changed = append(changed, p)
		}
	}
	return changed
}

// lived is what is live; nil before the start.
func (p *pool) lived() *life {
	live := p.live()
	for i := range p.lives {
		if p.lives[i].generation == live {
			return &p.lives[i]
		}
	}
	return nil
}

// lay tells a pool what its next reload brings: the settings of the file, or a generation of before.
func (p *pass) lay(next plannedPool) error {
	old := next.old
	if next.back != 0 {
		return old.workers.Revert(next.back)
	}
	if last := old.lives[len(old.lives)-1].generation; old.live() < last {
		p.tell(control.Event{Kind: control.Warned, Pool: old.name, What: fmt.Sprintf("pool %s was rolled back from "+
			"generation %d: this goes forward again, to what %s holds now", old.name, last, next.config.Directory)})
	}
	settings := p.host.workerSettings(old, p.plan.config, next.config)
	settings.Pace = p.pacing(old)
	return old.workers.Reconfigure(settings)
}

// remember notes what a pool has taken on, and lets go of what can't be gone back to any more.
func (p *pass) remember(m *move) {
	old := m.next.old
	if m.next.back == 0 {
		old.lives = append(old.lives, life{generation: m.last.Generation, pass: p.number,
			config: settled(m.next.config)})
	}
	p.host.setup.Load().went(old)
	known := old.workers.Remembered()
	if len(known) == 0 {
		return // it stops
	}
	old.lives = slices.DeleteFunc(old.lives, func(l life) bool { return !slices.Contains(known, l.generation) })
	old.builds.keepOnly(old.name, known)
}

// tellRemains says what a roll back has not undone.
func (p *pass) tellRemains(next plannedPool, from uint64) {
	old := next.old
	p.account.Add(control.Event{Kind: control.Remains, Pool: old.name, Generation: from, What: fmt.Sprintf(
		"what generation %d of pool %s has done to databases, queues and files stays done; host.toml and public "+
			"folders outside of `directory` stay as they are", from, old.name)})
	c, runs := p.host.config().Pool(old.name), old.workers.Status().Directory
	if c == nil {
		return
	}
	leads, err := filepath.EvalSymlinks(c.Directory)
	if err != nil || leads == runs {
		return
	}
	text := fmt.Sprintf("%s still leads to %s: host reload, or a restart of the host, goes forward to it again; lead "+
		"it to %s to stay", c.Directory, leads, runs)
	p.host.log.Warn("roll back: "+text, "pool", old.name)
	p.account.Add(control.Event{Kind: control.Remains, Pool: old.name, What: text})
}
