// faults.go: requests and events that failed, and how the newest code is asked the same.

package serve

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/faults"
	"github.com/workerhost/workerhost/host/internal/shadow"
	"github.com/workerhost/workerhost/workers"
)

// keepFaults has as many kept as the configuration says.
func (h *host) keepFaults(c *config.Config) {
	h.faults.Set(faults.Settings{Keep: c.Faults.Keep, Bodies: c.Faults.Bodies})
}

// Faults implements [control.Host].
func (h *host) Faults(pool string) (all control.Faults, err error) {
	if pool != "" {
		if err := h.checkNames([]string{pool}); err != nil {
			return all, err
		}
	}
	kinds, forgotten := h.faults.Kinds(pool)
	all = control.Faults{Keep: h.config().Faults.Keep, Forgotten: forgotten, Kinds: []control.FaultKind{}}
	for _, k := range kinds {
		all.Kinds = append(all.Kinds, control.FaultKind{Pool: k.Pool, What: k.What, Message: k.Message,
			Place: k.Place, Count: k.Count, First: k.First, Last: k.Last, Generation: k.FirstGeneration, New: k.New,
			IDs: k.IDs})
	}
	return all, nil
}

// Fault implements [control.Host].
func (h *host) Fault(id string) (control.Fault, error) {
	f := h.faults.Get(id)
	if f == nil {
		return control.Fault{}, &control.UnknownFault{ID: id}
	}
	shown := control.Fault{ID: f.ID, Pool: f.Pool, Time: f.Time, Took: control.Millis(f.Took),
		Generation: f.Generation, Worker: f.Worker, What: f.What, Message: f.Message, Place: f.Place, Trace: f.Trace,
		Log: f.Log, Name: f.Name, RequestID: f.RequestID, Body: f.Body, Length: f.Length}
	if r := f.Request; r != nil {
		shown.Request = &control.FaultRequest{Method: r.Method, Target: r.Target, Version: r.Version,
			Scheme: r.Scheme, Host: r.Host, Remote: r.Remote, Headers: r.Headers, Form: r.Form}
	}
	return shown, nil
}

// brought is a fault that another host has kept.
func brought(f *control.Fault) *faults.Fault {
	made := &faults.Fault{ID: f.ID, Pool: f.Pool, Time: f.Time, What: f.What, Message: f.Message, Place: f.Place,
		Name: f.Name, RequestID: f.RequestID, Body: f.Body, Length: f.Length}
	if r := f.Request; r != nil {
		made.Request = &faults.Request{Method: r.Method, Target: r.Target, Version: r.Version, Scheme: r.Scheme,
			Host: r.Host, Remote: r.Remote, Headers: r.Headers[:len(r.Headers)&^1], Form: r.Form}
	}
	return made
}

// Replay implements [control.Host].
func (h *host) Replay(ctx context.Context, ask control.Replay) (came control.Replayed, err error) {
	f := h.faults.Get(ask.ID)
	if ask.Fault != nil {
		f = brought(ask.Fault)
	}
	if f == nil {
		return came, &control.UnknownFault{ID: ask.ID}
	}
	if len(ask.Body) > 0 {
		with := *f
		with.Body, with.Length = ask.Body, int64(len(ask.Body))
		f = &with
	}
	if err := f.Check(); err != nil {
		return came, err
	}
	next, c, err := h.newest(cmp.Or(ask.Pool, f.Pool))
	if err != nil {
		return came, err
	}
	h.mu.Lock()
	if h.closed || h.leaves() {
		h.mu.Unlock()
		return came, control.ErrStopping
	}
	h.reloads.Add(1)
	h.mu.Unlock()
	defer h.reloads.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.stopping, cancel)()
	return h.replay(ctx, f, ask, next, c)
}

// newest is a pool with its settings as they are on disk.
func (h *host) newest(name string) (next plannedPool, c *config.Config, err error) {
	if err := h.checkNames([]string{name}); err != nil {
		return next, nil, err
	}
	if c, err = h.load(); err != nil {
		return next, nil, err
	}
	plan := makePlan(h.setup.Load(), c)
	next, err = replayable(plan, name)
	return next, plan.config, err
}

// replayable is a pool whose newest code can be asked.
func replayable(plan *plan, name string) (next plannedPool, err error) {
	i := slices.IndexFunc(plan.pools, func(p plannedPool) bool { return p.config.Name == name && p.old != nil })
	if i < 0 {
		return next, fmt.Errorf("pool %s is not as it was in the configuration on disk: reload it first", name)
	}
	if next = plan.pools[i]; next.config.InPlace || next.config.Kind == config.FastCGI {
		return next, fmt.Errorf("pool %s: %w", name, canHaveShadow(next))
	}
	return next, nil
}

// replay starts a worker beside the pool, which serves nobody, and asks it.
func (h *host) replay(ctx context.Context, f *faults.Fault, ask control.Replay, next plannedPool,
	c *config.Config) (came control.Replayed, err error) {
	var mu sync.Mutex
	refused := map[string]int{}
	timeout := cmp.Or(next.config.RequestTimeout, shadowPatience)
	candidate, err := h.beside(next.old, c, next.config, 1, func(s *workers.Settings) {
		s.Logger = s.Logger.With("replay", f.ID)
		if !ask.Acts {
			s.Hub = shadow.NewRefuser(next.old.realm.asked, func(what string) {
				mu.Lock()
				defer mu.Unlock()
				refused[what]++
			})
		}
		if ask.Debug {
			s.Env = append(slices.Clone(s.Env), "XDEBUG_MODE=debug", "XDEBUG_SESSION=1")
			s.RequestTimeout, s.SlowRequest, timeout = 0, 0, -1
		}
	})
	if err != nil {
		return came, err
	}
	defer func() {
		soon, cancel := context.WithTimeout(h.now, shadowEnd)
		defer cancel()
		h.stopBeside(candidate, soon)
	}()
	if err := candidate.boot(); err != nil {
		return came, fmt.Errorf("the code as it is now does not start: %w", err)
	}
	answer, err := f.Ask(ctx, candidate.workers, ask.Headers, timeout)
	if err != nil {
		return came, fmt.Errorf("it was given up before there was an answer: %w", err)
	}
	st := candidate.workers.Status()
	mu.Lock()
	defer mu.Unlock()
	return control.Replayed{ID: f.ID, Pool: next.config.Name, Directory: st.Directory, Generation: st.Generation,
		Before: f.What, What: answer.What, Same: f.Like(&answer), Status: answer.Status, Headers: answer.Headers,
		Body: answer.Body, Length: answer.Length, Message: answer.Message, Trace: answer.Trace,
		Took: control.Millis(answer.Took), Refused: refused}, nil
}

// proves asks the new code the request of a fault, and says whether it does not fail any more. If it does, nothing
// goes live.
func (p *pass) proves() bool {
	h, id := p.host, p.ask.Proves
	why, outcome := "", control.NotDone
	f := h.faults.Get(id)
	err := error(&control.UnknownFault{ID: id})
	if f != nil {
		err = f.Check()
	}
	var next plannedPool
	pool := ""
	if err == nil {
		pool = f.Pool
		next, err = replayable(p.plan, pool)
	}
	if err == nil {
		var came control.Replayed
		came, err = h.replay(p.wanted, f, control.Replay{ID: id}, next, p.plan.config)
		if why = came.What; why == "" && err == nil {
			p.tell(control.Event{Kind: control.Changed, Pool: f.Pool,
				What: fmt.Sprintf("%s (%s, %s) does not fail any more: status %d", id, f.Name, f.What, came.Status)})
			return true
		}
		if came.Message != "" {
			why += ": " + came.Message
		}
	}
	switch {
	case h.stopping.Err() != nil:
		outcome, why = control.HostStopped, "the host is stopping"
	case p.aborted.Load():
		outcome, why = control.WasAborted, "it was aborted"
	case err != nil:
		why = "it can't be proven: " + err.Error()
	default:
		outcome, why = control.TurnedBack, "it still fails: "+why
	}
	p.verdict.outcome = outcome
	p.verdict.looked = "nothing was changed: the new code does not prove " + id
	h.log.Error("reload: the new code does not prove "+id+", and nothing was changed", "why", why)
	e := control.Event{Kind: control.Failed, Pool: pool, Error: id + ": " + why}
	if next.old != nil {
		e.Running, e.Workers = running(next.old.workers.Status()), next.old.config().Workers
	}
	p.account.Add(e)
	return false
}
