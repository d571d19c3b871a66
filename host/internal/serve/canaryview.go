// canaryview.go tells of a canary: in the status, in a reload's account, in the log and in the metrics.

package serve

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/canary"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/metrics"
)

// canaryCounts are of the canaries that are over, by how.
type canaryCounts struct{ promoted, turnedBack, aborted atomic.Uint64 }

func (c *canaryCounts) count(o control.Outcome) {
	switch o {
	case control.Done:
		c.promoted.Add(1)
	case control.TurnedBack:
		c.turnedBack.Add(1)
	default:
		c.aborted.Add(1)
	}
}

func (c *canaryCounts) snapshot() map[string]uint64 {
	return map[string]uint64{"promoted": c.promoted.Load(), "turned_back": c.turnedBack.Load(),
		"aborted": c.aborted.Load()}
}

// canary is the one that clients go to, or nil.
func (h *host) canary() *canaryRun {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.passes) == 0 {
		return nil
	}
	run := h.passes[0].canary.Load()
	if run == nil {
		return nil
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	if !run.serving {
		return nil
	}
	return run
}

// canaryPools are those of the canary under way, for the metrics.
func (h *host) canaryPools() (all []metrics.Trial) {
	run := h.canary()
	if run == nil {
		return nil
	}
	for _, c := range run.pools {
		all = append(all, metrics.Trial{Pool: c.candidate.workers, Role: "candidate"},
			metrics.Trial{Pool: c.control.workers, Role: "control"})
	}
	return all
}

// showCanary adds to a pool's status what is tried there, with the workers, whose own processes are asked until ctx is
// done.
func (h *host) showCanary(ctx context.Context, pools []control.Pool) {
	run := h.canary()
	if run == nil {
		return
	}
	for _, c := range run.pools {
		for i := range pools {
			if pools[i].Name == c.next.config.Name {
				shown := run.view(c)
				shown.Candidate.Workers = shownWorkers(ctx, c.candidate.workers.Status())
				shown.Control.Workers = shownWorkers(ctx, c.control.workers.Status())
				pools[i].Canary = shown
			}
		}
	}
}

// view is a pool's canary as the API has it.
func (r *canaryRun) view(c *canaryPool) *control.Canary {
	r.mu.Lock()
	step := r.now
	r.mu.Unlock()
	old, new := c.trial.Sides()
	c.mu.Lock()
	j := c.judge
	c.mu.Unlock()
	shown := &control.Canary{Share: 100 * c.share(step), Step: step + 1, Steps: r.steps,
		Running: control.Seconds(time.Since(r.began)), For: control.Seconds(r.step), AtMost: control.Seconds(r.atMost),
		Workers: c.workers, Candidate: side(c.candidate, &new), Control: side(c.control, &old),
		Enough: j.Enough, Measures: []control.CanaryMeasure{}, FailedOver: []control.CanaryPoint{},
		PaceOver: []control.CanaryPoint{}}
	if j.Worse() {
		shown.Worse = worse(&j)
	}
	for _, m := range j.Measures {
		unit := units[m.Name]
		shown.Measures = append(shown.Measures, control.CanaryMeasure{Name: m.Name, Control: unit * m.Control,
			Candidate: unit * m.Candidate, Limit: unit * m.Limit, Chance: m.Chance, Worse: m.Worse,
			Doubtful: m.Doubtful})
	}
	for _, p := range c.trial.Points() {
		shown.FailedOver = append(shown.FailedOver, control.CanaryPoint{Control: 100 * p.Failed[0],
			Candidate: 100 * p.Failed[1]})
		shown.PaceOver = append(shown.PaceOver, control.CanaryPoint{Control: 1000 * p.Typical[0],
			Candidate: 1000 * p.Typical[1]})
	}
	return shown
}

// units turn what a measure is in into what the API has it in.
var units = map[string]float64{canary.ErrorsMeasure: 100, canary.LoggedMeasure: 100, canary.PaceMeasure: 1000,
	canary.GrowthMeasure: 1}

func side(p *pool, of *canary.Side) control.CanarySide {
	st := p.workers.Status()
	return control.CanarySide{Generation: st.Generation, Directory: st.Directory, Clients: of.Clients,
		Requests: of.Requests, Failed: of.Failed, Logged: of.Logged, Typical: 1000 * of.Typical, Growth: of.Growth,
		Deaths: of.Deaths}
}

func (r *canaryRun) event(kind control.Kind, c *canaryPool, what string) control.Event {
	shown := r.view(c)
	return control.Event{Kind: kind, Pool: c.next.config.Name, Generation: shown.Candidate.Generation,
		Directory: shown.Candidate.Directory, Workers: c.workers, Canary: shown, What: what}
}

func (r *canaryRun) tell(kind control.Kind, c *canaryPool, what string) {
	r.pass.host.log.Info("reload: canary: "+what, "pool", c.next.config.Name)
	r.pass.account.Add(r.event(kind, c, what))
}

// logged is a canary as key and value pairs of the log: what the control had, and the candidate.
func logged(c *control.Canary) []any {
	pairs := []any{"share", percent(c.Share / 100), "clients", both(c.Control.Clients, c.Candidate.Clients),
		"requests", both(c.Control.Requests, c.Candidate.Requests), "failures",
		both(c.Control.Failed, c.Candidate.Failed), "deaths", both(len(c.Control.Deaths), len(c.Candidate.Deaths))}
	for _, m := range c.Measures {
		pairs = append(pairs, m.Name, fmt.Sprintf("%.4g, %.4g", m.Control, m.Candidate))
	}
	return pairs
}

func both(control, candidate int) string { return fmt.Sprintf("%d, %d", control, candidate) }

func percent(share float64) string { return strconv.FormatFloat(100*share, 'g', 4, 64) + "%" }

// worse says in words in what new code does worse.
func worse(j *canary.Judgement) string {
	var parts []string
	for _, m := range j.Measures {
		if m.Worse || m.Doubtful && !anyWorse(j) {
			parts = append(parts, inWords(&m))
		}
	}
	if j.Dead != "" {
		parts = append(parts, j.Dead)
	}
	return strings.Join(parts, "; ")
}

func anyWorse(j *canary.Judgement) bool {
	for _, m := range j.Measures {
		if m.Worse {
			return true
		}
	}
	return false
}

func inWords(m *canary.Measure) string {
	switch m.Name {
	case canary.ErrorsMeasure:
		return fmt.Sprintf("%.2f%% of the requests fail, and %.2f%% with the old code", 100*m.Candidate, 100*m.Control)
	case canary.LoggedMeasure:
		return fmt.Sprintf("%.2f%% of the requests log an error, and %.2f%% with the old code", 100*m.Candidate,
			100*m.Control)
	case canary.PaceMeasure:
		return fmt.Sprintf("a request takes %.2f times as long as with the old code", m.Candidate/m.Control)
	}
	return fmt.Sprintf("a worker grows by %.1f KiB with each request, and by %.1f KiB with the old code",
		m.Candidate/1024, m.Control/1024)
}

// undecided says why there is no verdict at the end of the time.
func (r *canaryRun) undecided() string {
	var parts []string
	for _, c := range r.pools {
		c.mu.Lock()
		j := c.judge
		c.mu.Unlock()
		name := c.next.config.Name
		old, new := c.trial.Sides()
		switch {
		case !j.Enough:
			parts = append(parts, fmt.Sprintf("%s: too little came to say that the new code does well: %d clients "+
				"with %d requests, and %d with %d at the old code's fresh workers, where %d with %d are needed of "+
				"each", name, new.Clients, new.Requests, old.Clients, old.Requests,
				c.limits.Clients, c.limits.Requests))
		case !j.Well():
			parts = append(parts, name+": it may be chance, but "+worse(&j))
		}
	}
	if len(parts) == 0 {
		return "its steps did not end in time"
	}
	return strings.Join(parts, "; ")
}
