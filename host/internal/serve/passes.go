// passes.go has reloads come one after the other.

package serve

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/workers"
)

// Reload implements [control.Host]. The first pool that fails ends the reload. A reload that comes
// while another one is under way waits for its end, together with others that ask for the same.
func (h *host) Reload(ask control.Reload) (*control.Account, error) {
	if err := h.checkNames(ask.Pools); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, waiting := range h.passes {
		if i > 0 && waiting.back == nil && slices.Equal(waiting.ask.Pools, ask.Pools) &&
			waiting.ask.Each == ask.Each && waiting.ask.Pace == ask.Pace &&
			waiting.ask.Proves == ask.Proves && reflect.DeepEqual(waiting.ask.Deploy, ask.Deploy) &&
			reflect.DeepEqual(waiting.ask.Canary, ask.Canary) && reflect.DeepEqual(waiting.ask.Shadow, ask.Shadow) {
			if len(waiting.by) < mostAskers && !slices.Contains(waiting.by, ask.By) {
				waiting.by = append(waiting.by, ask.By)
			}
			return waiting.account, nil
		}
	}
	return h.enqueue(&pass{host: h, ask: ask, by: []control.By{ask.By}})
}

// enqueue has the pass begin once those before it have ended. Under mu.
func (h *host) enqueue(p *pass) (*control.Account, error) {
	if h.closed || h.leaves() {
		return nil, control.ErrStopping
	}
	if h.upgrade.under || !h.upgrade.here() {
		return nil, errors.New("an upgrade of the host is under way: ask again when it has ended")
	}
	if len(h.passes) > 0 && h.passes[0].canary.Load() != nil {
		return nil, errors.New("a canary is under way, which `host status` shows: `host reload --promote` puts its " +
			"code live, `host reload --abort` turns it back; ask again after that")
	}
	if len(h.passes) > 0 && h.passes[0].ask.Shadow != nil {
		return nil, errors.New("a shadow is under way (`host reload --shadow`), which changes nothing: `host reload " +
			"--abort` ends it; ask again after that")
	}
	h.passesBegun++
	p.number, p.account = h.passesBegun, control.NewAccount()
	p.wanted, p.unwanted = context.WithCancelCause(h.stopping)
	h.passes = append(h.passes, p)
	if len(h.passes) == 1 {
		h.reloads.Go(h.runPasses)
	}
	return p.account, nil
}

// mostAskers is how many of those are kept who asked for one reload.
const mostAskers = 20

// Abort implements [control.Host].
func (h *host) Abort() (*control.Account, error) {
	h.mu.Lock()
	passes := slices.Clone(h.passes)
	h.mu.Unlock()
	if len(passes) == 0 {
		return nil, errors.New("no reload is under way; nothing was changed")
	}
	h.log.Warn("the reload is aborted")
	for _, p := range passes {
		p.aborted.Store(true)
		p.unwanted(workers.ErrAborted)
		if run := p.canary.Load(); run != nil {
			run.decide(false)
		}
	}
	for _, p := range h.pools() {
		if p.running.Load() {
			p.workers.Abort()
		}
	}
	return passes[0].account, nil
}

// Promote implements [control.Host].
func (h *host) Promote() (*control.Account, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.passes) > 0 {
		if run := h.passes[0].canary.Load(); run != nil {
			run.decide(true)
			return h.passes[0].account, nil
		}
	}
	return nil, errors.New("no canary is under way; nothing was changed")
}

// runPasses goes through the passes, until none is left.
func (h *host) runPasses() {
	for {
		h.mu.Lock()
		if len(h.passes) == 0 {
			h.mu.Unlock()
			return
		}
		p := h.passes[0]
		h.mu.Unlock()
		h.notify.reloading()
		under, over := context.WithCancel(h.now)
		go h.notify.prolong(under, prolongEvery) // ends with the pass
		began := time.Now()
		p.run()
		p.unwanted(nil)
		over()
		h.noteReload(p, began)
		h.notify.reloaded(summarise(h.overview()))
		p.account.End()
		h.mu.Lock()
		h.passes = h.passes[1:]
		h.mu.Unlock()
	}
}

// checkNames looks for pools that don't exist.
func (h *host) checkNames(names []string) error {
	for _, name := range names {
		if byName(h.pools(), name) == nil {
			unknown := &control.UnknownPool{Name: name}
			for _, p := range h.pools() {
				unknown.Known = append(unknown.Known, p.name)
			}
			return unknown
		}
	}
	return nil
}
