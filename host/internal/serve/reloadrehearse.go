// reloadrehearse.go is the reload that asks first: the code that serves and the new code get the same safe requests,
// and nothing goes live if their answers differ.

package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/rehearse"
	"github.com/workerhost/workerhost/host/internal/shadow"
	"github.com/workerhost/workerhost/workers"
)

const (
	mostRehearsed = 5000        // requests of a reload
	rehearsalTime = time.Minute // of a pool's, after which none begins any more, unless it is asked for more or less
)

// rehearses asks old and new code of the pools that are to change, and says whether none of their answers differs.
func (p *pass) rehearses() bool {
	rules, err := rehearsalRules(p.ask.Rehearse)
	asked, differ := 0, 0
	for _, next := range p.plan.pools {
		if err != nil {
			break
		}
		c := next.config
		if next.old == nil || c.Reload == "never" || len(p.ask.Pools) > 0 && !slices.Contains(p.ask.Pools, c.Name) {
			continue
		}
		some := p.requestsOf(c.Name)
		if len(some) == 0 {
			continue
		}
		var found *rehearse.Report
		if found, err = p.rehearse(next, some, rules); err != nil {
			err = fmt.Errorf("pool %s: %w", c.Name, err)
			break
		}
		asked, differ = asked+found.Asked, differ+found.Differ
		e := control.Event{Kind: control.Rehearsed, Pool: c.Name, Rehearsal: found, Outcome: control.Done,
			What: fmt.Sprintf("%d of %s differ", found.Differ, cli.Counted(found.Asked, "answer"))}
		if found.Differ > 0 {
			e.Outcome = control.TurnedBack
		}
		p.host.log.Info("reload: old and new code were asked the same: "+e.What, "pool", c.Name)
		p.account.Add(e)
	}
	if err == nil && asked == 0 {
		err = errors.New("none of the requests leads to a pool that is reloaded")
	}
	v := &p.verdict
	switch {
	case p.host.stopping.Err() != nil:
		v.outcome = control.HostStopped
	case p.aborted.Load():
		v.outcome, v.looked = control.WasAborted, "it was aborted, and nothing was changed"
		p.account.Add(control.Event{Kind: control.Aborted})
	case err != nil:
		v.outcome, v.looked = control.NotDone, "nothing was changed: mend what is told above, and ask again"
		p.host.log.Error("reload: there can be no rehearsal, and nothing was changed", "error", err)
		p.account.Add(control.Event{Kind: control.ConfigFailed, Error: err.Error()})
	case differ > 0:
		v.outcome = control.TurnedBack
		v.looked = fmt.Sprintf("nothing was changed: the new code differs in %d of %s. If that is meant, reload "+
			"without --rehearse, or compare less (--compare status, --ignore)", differ, cli.Counted(asked, "answer"))
	default:
		return true
	}
	return false
}

func rehearsalRules(ask *control.RehearseAsk) (r rehearse.Rules, err error) {
	if len(ask.Requests) > mostRehearsed {
		return r, fmt.Errorf("a reload asks %d requests at most", mostRehearsed)
	}
	for _, request := range ask.Requests {
		if request.Method != "GET" && request.Method != "HEAD" || !strings.HasPrefix(request.Target, "/") {
			return r, errors.New("a reload asks GET and HEAD of a path alone")
		}
	}
	for _, part := range ask.Compare {
		if !slices.Contains(rehearse.Parts(), part) {
			return r, fmt.Errorf("%q is no part of an answer: expected some of %s", part,
				strings.Join(rehearse.Parts(), ", "))
		}
	}
	r.Parts = ask.Compare
	for _, text := range ask.Ignore {
		pattern, err := regexp.Compile(text)
		if err != nil {
			return r, fmt.Errorf("what is to be ignored is no regular expression: %w", err)
		}
		r.Ignore = append(r.Ignore, pattern)
	}
	return r, nil
}

// requestsOf are those that lead to a pool now.
func (p *pass) requestsOf(name string) (some []rehearse.Picked) {
	c := p.host.setup.Load().config
	for _, r := range p.ask.Rehearse.Requests {
		if slices.ContainsFunc(c.Listen, func(l config.Listen) bool {
			return l.Protocol == "http" && poolOf(c, &l, &r.Request) == name
		}) {
			some = append(some, r)
		}
	}
	return some
}

// rehearse starts a worker of the new code beside the pool, which serves nobody, and asks both.
func (p *pass) rehearse(next plannedPool, some []rehearse.Picked, rules rehearse.Rules) (*rehearse.Report, error) {
	h := p.host
	if err := canHaveShadow(next); err != nil {
		return nil, err
	}
	candidate, err := h.beside(next.old, p.plan.config, next.config, 1, func(s *workers.Settings) {
		s.Logger = s.Logger.With("rehearsal", "candidate")
		s.Hub = shadow.NewRefuser(next.old.realm.asked, func(what string) {
			h.log.Debug("reload: refused to code that is only looked at", "what", what)
		})
	})
	if err != nil {
		return nil, err
	}
	candidate.tries = next.old
	defer func() {
		soon, cancel := context.WithTimeout(h.now, shadowEnd)
		defer cancel()
		h.stopBeside(candidate, soon)
	}()
	if err := candidate.boot(); err != nil {
		return nil, fmt.Errorf("the new code does not start: %w", err)
	}
	scheme := "http"
	for _, l := range h.setup.Load().config.Listen {
		if l.TLS != nil {
			scheme = "https"
		}
	}
	timeout := min(shadowPatience, cmp.Or(next.config.RequestTimeout, shadowPatience))
	stack := func(of *pool) *rehearse.Code {
		st := of.workers.Status()
		return rehearse.NewCode(fmt.Sprintf("generation %d, in %s", st.Generation, st.Directory), of.workers, scheme,
			"localhost", timeout)
	}
	most := rehearsalTime
	if s := p.ask.Rehearse.For; s > 0 {
		most = time.Duration(s * float64(time.Second))
	}
	r := rehearse.NewRehearsal(stack(next.old), stack(candidate), rehearse.Settings{Rules: rules, For: most})
	if err := r.Run(p.wanted, some); err != nil {
		return nil, err
	}
	return r.Report(), nil
}
