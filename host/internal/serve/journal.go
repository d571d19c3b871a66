// journal.go: a reload, and the start, become an entry of the journal.

package serve

import (
	"iter"
	"os/user"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/checkout"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/journal"
	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/host/internal/webhook"
)

// recorder keeps what went live. It is safe for concurrent use.
type recorder struct {
	file *journal.File[control.Release]
	hook *webhook.Sender
	log  hclog.Logger
	told atomic.Bool // that it can't be written
}

func newRecorder(c *config.Config, log hclog.Logger) *recorder {
	return &recorder{file: journal.New[control.Release](c.JournalPath(), c.PrepareJournal), log: log,
		hook: webhook.New("workerhost/"+cli.Version(), log)}
}

// note keeps an entry by add, which is Add or Defer of the file.
func (r *recorder) note(add func(control.Release) error, e control.Release) {
	if err := add(e); err != nil && r.told.CompareAndSwap(false, true) {
		r.log.Warn("the journal of what went live can't be written: `host releases` has it until the host ends",
			"error", err)
	}
}

// Releases implements [control.Host]. A file that can be neither written nor read takes nothing from what is known.
func (h *host) Releases() ([]control.Release, error) {
	all, err := h.noted.file.All()
	if len(all) > 0 {
		err = nil
	}
	return all, err
}

// noteStart is for a host whose pools are all up. One that is never reloaded leaves no file for it.
func (h *host) noteStart() {
	e := control.Release{Time: h.began, Act: "start", By: []control.By{{How: "start"}}, Outcome: control.Done,
		Took: control.Millis(time.Since(h.began)), Version: cli.Version()}
	if u, err := user.Current(); err == nil {
		e.By[0].User = u.Username
	}
	for _, p := range h.pools() {
		now := p.now()
		e.Pools = append(e.Pools, control.Released{Pool: p.name, Result: control.Completed, Directory: now.Directory,
			Generation: now.Generation})
	}
	keep := h.noted.file.Defer
	if h.upgrade.startedBy(&e) {
		keep = h.noted.file.Add
	}
	h.noted.note(keep, h.completed(e))
}

// noteUpgrade is for one that failed. One that succeeds is noted by the host that serves then.
func (h *host) noteUpgrade(by control.By, began time.Time, err error) {
	e := control.Release{Time: began, Act: "upgrade", By: []control.By{by}, Error: err.Error(),
		Took: control.Millis(time.Since(began)), Version: cli.Version()}
	if e.Outcome, _ = failed(err); e.Outcome == control.NotDone {
		e.What = "nothing was changed"
	}
	h.noted.note(h.noted.file.Add, h.completed(e))
}

// noteReload is for a pass that has ended.
func (h *host) noteReload(p *pass, began time.Time) {
	e := released(p.account.Events())
	e.Time, e.Act, e.By, e.Chosen, e.Each = began, "reload", p.by, p.ask.Pools, p.ask.Each
	switch {
	case p.back != nil:
		e.Act, e.Chosen = "rollback", p.back.Pools
	case p.ask.Shadow != nil:
		e.Act = "shadow"
	}
	e.Version = cli.Version()
	e = h.completed(e)
	h.noted.note(h.noted.file.Add, e)
	if address := h.config().Reload.Notify; address != "" {
		h.noted.hook.Send(string(address), e)
	}
}

// completed adds the commits to an entry, and takes the secrets out of it.
func (h *host) completed(e control.Release) control.Release {
	for i := range e.Pools {
		r := &e.Pools[i]
		if r.Directory == "" {
			continue
		}
		var users []int
		if p := byName(h.pools(), r.Pool); p != nil && p.config().Identity != nil {
			users = append(users, p.config().Identity.UID)
		}
		r.Commit = checkout.Commit(r.Directory, users...)
	}
	e.By = slices.Clone(e.By)
	for i := range e.By {
		e.By[i].Message = cli.Shortened(redact.Text(e.By[i].Message), longestMessage)
	}
	kept(&e.What, &e.Error)
	for i := range e.Changes {
		kept(&e.Changes[i])
	}
	for i := range e.Pools {
		kept(&e.Pools[i].Error)
	}
	return e
}

// longestText is how much of an error is kept, in bytes.
const longestText = 4 << 10

// kept makes texts fit for the journal.
func kept(texts ...*string) {
	for _, text := range texts {
		if *text = redact.Text(*text); len(*text) > longestText {
			*text = (*text)[:longestText] + "…"
		}
	}
}

// mostChanges is how many changes of settings an entry has.
const mostChanges = 50

// released sums the account of a reload up.
func released(events iter.Seq[control.Event]) (e control.Release) {
	of := func(name string) *control.Released {
		i := slices.IndexFunc(e.Pools, func(r control.Released) bool { return r.Pool == name })
		if i < 0 {
			i, e.Pools = len(e.Pools), append(e.Pools, control.Released{Pool: name})
		}
		return &e.Pools[i]
	}
	for ev := range events {
		switch ev.Kind {
		case control.ConfigFailed:
			e.Error = ev.Error
		case control.Changed, control.NeedsRestart, control.ListenerAdded, control.ListenerRemoved,
			control.PoolRemoved:
			if len(e.Changes) < mostChanges {
				e.Changes = append(e.Changes, ev.What)
			} else if len(e.Changes) == mostChanges {
				e.Changes = append(e.Changes, "and more")
			}
		case control.Begun:
			if r := of(ev.Pool); r.Generation == 0 { // else it is put back
				r.Generation, r.Directory, r.Pinned = ev.Generation, ev.Directory, ev.Pinned != nil && *ev.Pinned
			}
		case control.GatePassed, control.GateFailed:
			r := of(ev.Pool)
			r.Gates = append(r.Gates, control.Gate{Gate: ev.Gate, Command: ev.What, Took: ev.Took, Error: ev.Error})
			if ev.Kind == control.GateFailed && ev.Gate == gateBefore {
				r.Result, r.Error = control.Failed, ev.What+": "+ev.Error
			}
		case control.CanaryJudged:
			if seen := ev.Canary; seen != nil {
				brief := *seen
				brief.FailedOver, brief.PaceOver = nil, nil
				of(ev.Pool).Canary = &brief
			}
		case control.ShadowOver:
			r := of(ev.Pool)
			r.Result, r.Generation, r.Directory = ev.Kind, ev.Generation, ev.Directory
			if ev.Shadow != nil {
				brief := *ev.Shadow
				brief.Examples, r.Shadow = nil, &brief
			}
		case control.Replaced:
			of(ev.Pool).Replaced++
		case control.Failed, control.Stays:
			r := of(ev.Pool)
			r.Result, r.Error, r.Took = ev.Kind, ev.Error, ev.Took
			if ev.Kind == control.Failed { // what it had replaced may be put back
				r.Replaced = ev.Replaced
			}
		case control.Completed, control.PutBack, control.Kept, control.Skipped, control.Aborted, control.PoolAdded,
			control.Undone:
			if ev.Pool != "" {
				r := of(ev.Pool)
				r.Result, r.Took = ev.Kind, ev.Took
			}
		case control.Summary:
			e.Outcome, e.What, e.Took = ev.Outcome, ev.What, ev.Took
			for _, now := range ev.Pools {
				i := slices.IndexFunc(e.Pools, func(r control.Released) bool { return r.Pool == now.Pool })
				if i >= 0 && e.Pools[i].Result == control.PoolAdded {
					e.Pools[i].Generation, e.Pools[i].Directory = now.Generation, now.Directory
				}
			}
		}
	}
	return e
}
