// The story of a reload: its events, as lines for people.

package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/workerhost/workerhost/host/internal/control"
)

// reloadStory turns events into lines for people.
type reloadStory struct {
	t    *Terminal
	done string     // what a pool is that has changed
	mu   sync.Mutex // held by whoever writes

	// guarded by mu
	outcome   control.Outcome // so far
	what      string          // came of it, once it has ended
	failed    bool
	lost      []string // requests that were cut
	bar       reloadBar
	mentioned map[string]bool // unpinned directories
	restored  map[string]bool // pools that have put workers back
}

func newReloadStory(t *Terminal) *reloadStory {
	bar := reloadBar{t: t, sizes: map[string]int{}}
	return &reloadStory{t: t, done: "reloaded", outcome: control.NotDone, bar: bar, mentioned: map[string]bool{},
		restored: map[string]bool{}}
}

// watch draws on a terminal what goes on, until enough is called.
func (s *reloadStory) watch(ctx context.Context, look looking, asJSON bool) (enough func()) {
	if !s.t.live || look == nil || asJSON {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var drawing sync.WaitGroup
	drawing.Go(func() {
		s.bar.follow(ctx, look, func(st control.Status) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.bar.see(st)
		})
	})
	return func() {
		cancel()
		drawing.Wait()
		s.bar.erase()
	}
}

// follow is called with each event.
func (s *reloadStory) follow(asJSON bool) func(control.Event, []byte) error {
	return func(e control.Event, line []byte) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.judge(e)
		if asJSON {
			fmt.Fprintf(s.t.Out, "%s\n", line)
		} else {
			s.bar.erase()
			s.tell(e)
			s.bar.heed(e)
		}
		return nil
	}
}

// judge notes how it goes.
func (s *reloadStory) judge(e control.Event) {
	s.lost = append(s.lost, e.Cut...)
	switch e.Kind {
	case control.Summary:
		s.outcome, s.what = e.Outcome, e.What
	case control.Restored:
		s.restored[e.Pool] = true
	case control.Completed, control.PoolAdded, control.Tried, control.Kept: // an older host has no summary
		if !s.failed {
			s.outcome = control.Done
		}
	case control.Failed, control.ListenerFailed, control.Skipped, control.ConfigFailed, control.TryFailed,
		control.Aborted:
		s.failed, s.outcome = true, control.NotDone
	}
}

func (s *reloadStory) tell(e control.Event) {
	t := s.t
	switch e.Kind {
	case control.ListenerReloaded:
		fmt.Fprintf(t.Out, "%s  files read again\n", e.Address)
	case control.ListenerFailed:
		fmt.Fprintf(t.Err, "%s  %s\n%s\n", e.Address, t.Red("keeps the files that it had:"), e.Error)
	case control.ConfigFailed:
		fmt.Fprintf(t.Err, "%s\n\n%s\n", t.Red("the configuration is not applied, and nothing was changed:"),
			strings.TrimRight(e.Error, "\n"))
	case control.Changed, control.ListenerAdded, control.ListenerRemoved, control.PoolAdded, control.PoolRemoved:
		fmt.Fprintln(t.Out, e.What+s.cut(e))
	case control.NeedsRestart:
		fmt.Fprintf(t.Out, "%s  %s\n", e.What, t.Yellow("takes effect at a restart"))
	case control.Waits:
		fmt.Fprintf(t.Out, "%s  %s\n", e.What, t.Yellow("waits for a reload of all pools"))
	case control.Warned:
		fmt.Fprintln(t.Err, t.Yellow("warning: "+e.What))
	case control.Undone:
		fmt.Fprintln(t.Err, e.What)
	case control.CanaryBegun, control.CanaryStep, control.CanaryJudged:
		s.tellCanary(e)
	case control.Rehearsed:
		s.tellRehearsed(e)
	case control.ShadowBegun, control.ShadowOver:
		s.tellShadow(e)
	case control.LinkMoved:
		fmt.Fprintln(t.Out, e.What)
	case control.Remains:
		fmt.Fprintf(t.Out, "%s %s\n", t.Bold("→"), e.What)
	case control.Kept:
		fmt.Fprintf(t.Out, "%s  keeps its workers: reload = \"never\"\n", e.Pool)
	case control.Aborted:
		fmt.Fprintln(t.Err, strings.TrimSpace(e.Pool+"  not reloaded: the reload was aborted"))
	case control.WouldChange:
		fmt.Fprintf(t.Out, "%s  %s\n", e.What, t.Faint("would change"))
	case control.Tried, control.TryFailed:
		s.tellTried(e)
	case control.Begun:
		s.tellBegun(e)
	case control.Staged:
		s.tellStaged(e)
	case control.Paced, control.GateBegun, control.GateOutput, control.GatePassed, control.GateFailed:
		s.tellGate(e)
	case control.Replaced, control.Restored:
		s.tellWorker(e)
	case control.Removed:
		fmt.Fprintf(t.Out, "%s  worker %d  removed  pid %d  drained %d%s\n", e.Pool, slot(e), e.OldPID, e.Drained,
			s.cut(e))
	case control.Completed:
		fmt.Fprintf(t.Out, "%s  %s\n", e.Pool, t.Green(s.done+": "+whatCame(e)))
	case control.PutBack:
		fmt.Fprintf(t.Err, "%s  %s\n", e.Pool, t.Bold("put back: "+whatCame(e)))
	case control.Stays:
		fmt.Fprintf(t.Err, "%s  %s %s\n", e.Pool, t.Red("can't be put back:"), e.Error)
	case control.Failed:
		s.tellFailed(e)
	case control.Summary:
		s.tellSummary(e)
	case control.Skipped:
		fmt.Fprintf(t.Err, "%s  not reloaded: it keeps the code that it has\n", e.Pool)
	}
}

// tellTried is about the worker of a dry run.
func (s *reloadStory) tellTried(e control.Event) {
	t := s.t
	if e.Output != "" {
		fmt.Fprintf(t.Out, "%s  the worker printed:\n%s\n", e.Pool, strings.TrimRight(e.Output, "\n"))
	}
	if e.Kind == control.TryFailed {
		fmt.Fprintf(t.Err, "%s  %s\n\n%s\n\n%s  %s\n", e.Pool, t.Red("a reload would fail:"),
			strings.TrimRight(e.Error, "\n"), e.Pool, t.Bold("nothing was changed"))
		return
	}
	s.tellTrial(e)
	fmt.Fprintf(t.Out, "%s  %s  %s  boot %s  memory %s  %s\n", e.Pool, t.Green("a new worker is ready"), e.Directory,
		HumanDuration(fromMillis(e.Boot)), HumanBytes(e.Memory), t.Faint("nothing was changed"))
	if e.Workers > 0 {
		fmt.Fprintf(t.Out,
			"%s  a reload of %s would take about %s, and up to %s if old workers need all of drain_timeout\n",
			e.Pool, Counted(e.Workers, "worker"), HumanDuration(fromMillis(e.Expected)),
			HumanDuration(fromMillis(e.Longest)))
	}
}

// tellTrial is about the live sessions that a dry run has tried, and what its worker asked for in vain.
func (s *reloadStory) tellTrial(e control.Event) {
	t := s.t
	if len(e.Refused) > 0 {
		fmt.Fprintf(t.Out, "%s  refused to the new code: %s\n", e.Pool, counts(e.Refused))
	}
	seen := e.Sessions
	if seen == nil || seen.Live == 0 {
		return
	}
	old := seen.Upgraded + len(seen.Failed)
	fmt.Fprintf(t.Out,
		"%s  of %s that hold something, %d were looked at, %d of them of older code: %d can be upgraded\n", e.Pool,
		Counted(seen.Live, "live session"), seen.Sample, old, seen.Upgraded)
	for _, f := range seen.Failed {
		fmt.Fprintf(t.Err, "%s  %s\n", e.Pool, t.Red(fmt.Sprintf("the session of %s, of version %d, can't be: %s",
			printable(f.ID), f.From, printable(f.Error))))
	}
}

func (s *reloadStory) tellBegun(e control.Event) {
	line := fmt.Sprintf("%s  generation %d  %s", e.Pool, e.Generation, e.Directory)
	if e.Pinned != nil && !*e.Pinned && !s.mentioned[e.Directory] {
		s.mentioned[e.Directory] = true
		line += "  " + s.t.Faint("unpinned: it is edited in place, so a worker that restarts runs what it holds then")
	}
	fmt.Fprintln(s.t.Out, line)
}

func (s *reloadStory) tellWorker(e control.Event) {
	old := "none"
	if e.OldPID != 0 {
		old = fmt.Sprint(e.OldPID)
	}
	what := ""
	if e.Kind == control.Restored {
		what = "  put back"
	}
	line := fmt.Sprintf("%s  worker %d%s  generation %d  pid %s → %d  %s  drained %d", e.Pool, slot(e), what,
		e.Generation, old, e.NewPID, start(e), e.Drained)
	if e.Again != "" {
		line += "  " + s.t.Yellow(fmt.Sprintf("one more was tried: the first was killed from outside (%s)", e.Again))
	}
	fmt.Fprintln(s.t.Out, line+s.cut(e))
}

// start is how the new worker came.
func start(e control.Event) string {
	if e.Parked {
		return "was parked"
	}
	return "boot " + HumanDuration(fromMillis(e.Boot))
}

// cut names the requests that did not end in time, if there are any.
func (s *reloadStory) cut(e control.Event) string {
	if len(e.Cut) == 0 {
		return ""
	}
	return "  " + s.t.Yellow(fmt.Sprintf("cut at drain_timeout: %s", strings.Join(e.Cut, ", ")))
}

func (s *reloadStory) tellFailed(e control.Event) {
	t := s.t
	if e.Pool == "" { // of a roll back that can't begin
		fmt.Fprintln(t.Err, t.Red(e.Error))
		return
	}
	runs := t.Bold(whatRuns(e, s.restored[e.Pool]))
	what := "the reload failed:"
	switch {
	case e.Outcome == control.WasAborted:
		fmt.Fprintf(t.Err, "%s  %s\n%s  %s\n", e.Pool, t.Red(e.Error), e.Pool, runs)
		return
	case e.Slot != nil:
		what = fmt.Sprintf("worker %d of generation %d did not start:", *e.Slot, e.Generation)
	}
	fmt.Fprintf(t.Err, "%s  %s\n\n%s\n\n%s  %s\n", e.Pool, t.Red(what), strings.TrimRight(e.Error, "\n"), e.Pool, runs)
}

// whatRuns says exactly what serves after a failure; restored is that workers were put back before it was told.
func whatRuns(e control.Event, restored bool) string {
	parts, up, down := whatServes(e.Running, e.Workers)
	switch {
	case up == 0 && e.Replaced == 0 && !restored:
		return "nothing was replaced, and no worker is up: the host keeps trying to start the old ones"
	case up == 0:
		return "no worker is up: the host keeps trying"
	case e.Replaced == 0 && len(e.Running) == 1 && restored:
		return fmt.Sprintf("what was replaced is put back: all serve with generation %d again%s",
			e.Running[0].Generation, down)
	case e.Replaced == 0 && len(e.Running) == 1:
		return fmt.Sprintf("nothing was replaced: the old workers keep serving, with generation %d%s",
			e.Running[0].Generation, down)
	case e.Replaced == 0:
		return "the old workers keep serving: " + strings.Join(parts, ", ") + down
	}
	return "workers " + strings.Replace(strings.Join(parts, ", "), " generation", " run generation", 1) + down
}

// whatServes gives the slots of each generation, how many they are, and what is to be said of the others.
func whatServes(running []control.Running, workers int) (parts []string, up int, down string) {
	for _, r := range running {
		up += len(r.Slots)
		parts = append(parts, fmt.Sprintf("%s generation %d", slotRanges(r.Slots), r.Generation))
	}
	if up < workers {
		down = fmt.Sprintf("; %s not up, and the host keeps trying", Counted(workers-up, "worker"))
	}
	return parts, up, down
}

func slot(e control.Event) int {
	if e.Slot == nil {
		return 0
	}
	return *e.Slot
}

// tellStaged is about the first new worker of one of several pools.
func (s *reloadStory) tellStaged(e control.Event) {
	if e.NewPID == 0 {
		why := "waits for the other pools: its workers are replaced in place, so none starts ahead"
		fmt.Fprintf(s.t.Out, "%s  %s\n", e.Pool, s.t.Faint(why))
		return
	}
	fmt.Fprintf(s.t.Out, "%s  worker %d  generation %d  pid %d  %s  %s\n",
		e.Pool, slot(e), e.Generation, e.NewPID, start(e), s.t.Faint("ready, waits for the other pools"))
}

// whatCame is what a pool runs when it is done.
func whatCame(e control.Event) string {
	took := HumanDuration(fromMillis(e.Took))
	return fmt.Sprintf("%s of generation %d in %s", Counted(e.Workers, "worker"), e.Generation, took)
}

// tellSummary says what runs where after a failure, and what to do. Of one pool the first has been said.
func (s *reloadStory) tellSummary(e control.Event) {
	t := s.t
	if e.Outcome == control.Done {
		return
	}
	if len(e.Pools) > 1 {
		fmt.Fprintf(t.Err, "\n%s\n", t.Bold("what runs now:"))
		list := table{indent: "  "}
		for _, p := range e.Pools {
			parts, _, down := whatServes(p.Running, p.Workers)
			if len(p.Running) == 1 {
				parts = []string{fmt.Sprintf("generation %d", p.Running[0].Generation)}
			}
			list.add(plain(p.Pool, strings.TrimPrefix(strings.Join(parts, ", ")+down, "; "), p.Directory)...)
		}
		list.write(t.Err)
	}
	if e.What != "" {
		fmt.Fprintf(t.Err, "%s %s\n", t.Bold("→"), e.What)
	}
}
