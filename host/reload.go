// host reload: asks the host to put new code live, and tells what happens as it happens.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

func reloadCommand() *command {
	return &command{
		name:      "reload",
		arguments: "[POOL...]",
		summary:   "Put new code live, one worker at a time",
		detail: `Starts a new worker beside each old one, and when it is ready lets the old one finish its requests and go. The first new worker that fails to
start ends the reload: the old ones keep serving.

The configuration is read again first, with the flags that the host was started with. A file with a mistake changes nothing. Otherwise settings, limits, the
log level, pools and listeners become what it says, and no connection is closed for it; what waits for a restart is named. Certificates and the
public folder are read again, too.

Without POOL every pool is reloaded, one after the other. With it, only what the file says of that pool counts.
With --dry-run one worker of the new code starts beside each pool, is warmed up, and ends again. It is told what a reload would change, how long the
worker took, its memory, and all that it printed. Nothing changes; the exit status is 1 if a worker, or the configuration, failed.
On a terminal a line shows each worker that is being replaced, and a bar how far it all is. Ctrl-C ends this command, and not the reload.

The exit status is 0 only if every worker was replaced.`,
		example: "host reload\nhost reload --dry-run\nhost reload web --json",
		define: func(f *pflag.FlagSet) func(*terminal, []string) error {
			find := hostFlags(f)
			asJSON := f.Bool("json", false, "print a JSON object per line")
			abort := f.Bool("abort", false, "end the reload under way after the worker at hand, and tell which worker runs what")
			dryRun := f.Bool("dry-run", false, "try the new code with one worker beside each pool, and change nothing")
			return func(t *terminal, args []string) error {
				client, err := find()
				if err != nil {
					return err
				}
				ask, look := client.Reload, client.Status
				switch {
				case *abort && (*dryRun || len(args) > 0):
					return misused("--abort stands alone: it ends the reload under way, whichever it is")
				case *abort:
					return abortReload(t, client, *asJSON)
				case *dryRun:
					ask, look = client.Try, nil
				}
				return reload(t, ask, look, args, *asJSON)
			}
		},
	}
}

// asking is a command of the client that has an account.
type asking func(ctx context.Context, pools []string, each func(control.Event, []byte) error) error

// looking is how a command sees what goes on meanwhile.
type looking func(context.Context) (control.Status, error)

func reload(t *terminal, ask asking, look looking, pools []string, asJSON bool) error {
	ctx, done := untilInterrupted()
	defer done()
	story := newReloadStory(t)
	enough := story.watch(ctx, look, asJSON)
	err := ask(ctx, pools, story.follow(asJSON))
	enough()
	var stop *interrupted
	switch {
	case errors.As(context.Cause(ctx), &stop):
		fmt.Fprintln(t.err, "host reload: interrupted; the reload goes on without this command, and `host status` shows how far it is")
		return stop.status()
	case err != nil:
		return withRemedy(err)
	case story.failed || story.completed == 0:
		return silentExit(exitFailure)
	}
	return nil
}

// abortReload succeeds if the reload was indeed ended before its end.
func abortReload(t *terminal, client *control.Client, asJSON bool) error {
	ctx, done := untilInterrupted()
	defer done()
	story := newReloadStory(t)
	enough := story.watch(ctx, client.Status, asJSON)
	err := client.Abort(ctx, story.follow(asJSON))
	enough()
	if err != nil {
		return withRemedy(err)
	}
	if !story.failed {
		fmt.Fprintln(t.err, "host reload: it was completed before it could be aborted")
		return silentExit(exitFailure)
	}
	return nil
}

// reloadStory turns events into lines for people.
type reloadStory struct {
	t  *terminal
	mu sync.Mutex // held by whoever writes

	// guarded by mu
	failed    bool
	completed int
	bar       reloadBar
	mentioned map[string]bool // unpinned directories
}

func newReloadStory(t *terminal) *reloadStory {
	return &reloadStory{t: t, bar: reloadBar{t: t}, mentioned: map[string]bool{}}
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
		if asJSON {
			fmt.Fprintf(s.t.out, "%s\n", line)
			s.judge(e)
		} else {
			s.bar.erase()
			s.tell(e)
			s.bar.heed(e)
		}
		return nil
	}
}

// judge keeps count of how it goes.
func (s *reloadStory) judge(e control.Event) {
	switch e.Kind {
	case control.Completed, control.PoolAdded, control.Tried, control.Kept:
		s.completed++
	case control.Failed, control.ListenerFailed, control.Skipped, control.ConfigFailed, control.TryFailed, control.Aborted:
		s.failed = true
	}
}

func (s *reloadStory) tell(e control.Event) {
	s.judge(e)
	t := s.t
	switch e.Kind {
	case control.ListenerReloaded:
		fmt.Fprintf(t.out, "%s  files read again\n", e.Address)
	case control.ListenerFailed:
		fmt.Fprintf(t.err, "%s  %s\n%s\n", e.Address, t.red("keeps the files that it had:"), e.Error)
	case control.ConfigFailed:
		fmt.Fprintf(t.err, "%s\n\n%s\n", t.red("the configuration is not applied, and nothing was changed:"), strings.TrimRight(e.Error, "\n"))
	case control.Changed, control.ListenerAdded, control.ListenerRemoved, control.PoolAdded, control.PoolRemoved:
		fmt.Fprintln(t.out, e.What)
	case control.NeedsRestart:
		fmt.Fprintf(t.out, "%s  %s\n", e.What, t.yellow("takes effect at a restart"))
	case control.Waits:
		fmt.Fprintf(t.out, "%s  %s\n", e.What, t.yellow("waits for a reload of all pools"))
	case control.Undone:
		fmt.Fprintln(t.err, e.What)
	case control.Kept:
		fmt.Fprintf(t.out, "%s  keeps its workers: reload = \"never\"\n", e.Pool)
	case control.Aborted:
		fmt.Fprintln(t.err, strings.TrimSpace(e.Pool+"  not reloaded: the reload was aborted"))
	case control.WouldChange:
		fmt.Fprintf(t.out, "%s  %s\n", e.What, t.faint("would change"))
	case control.Tried, control.TryFailed:
		s.tellTried(e)
	case control.Begun:
		s.tellBegun(e)
	case control.Replaced, control.Restored:
		s.tellWorker(e)
	case control.Removed:
		fmt.Fprintf(t.out, "%s  worker %d  removed  pid %d  drained %d%s\n", e.Pool, slot(e), e.OldPID, e.Drained, s.cut(e))
	case control.Completed:
		fmt.Fprintf(t.out, "%s  %s\n", e.Pool, t.green(fmt.Sprintf("reloaded: %s of generation %d in %s", counted(e.Workers, "worker"), e.Generation, humanDuration(fromMillis(e.Took)))))
	case control.Failed:
		s.tellFailed(e)
	case control.Skipped:
		fmt.Fprintf(t.err, "%s  not reloaded: it keeps the code that it has\n", e.Pool)
	}
}

// tellTried is about the worker of a dry run.
func (s *reloadStory) tellTried(e control.Event) {
	t := s.t
	if e.Output != "" {
		fmt.Fprintf(t.out, "%s  the worker printed:\n%s\n", e.Pool, strings.TrimRight(e.Output, "\n"))
	}
	if e.Kind == control.TryFailed {
		fmt.Fprintf(t.err, "%s  %s\n\n%s\n\n%s  %s\n", e.Pool, t.red("a reload would fail:"), strings.TrimRight(e.Error, "\n"), e.Pool, t.bold("nothing was changed"))
		return
	}
	fmt.Fprintf(t.out, "%s  %s  %s  boot %s  memory %s  %s\n", e.Pool, t.green("a new worker is ready"), e.Directory, humanDuration(fromMillis(e.Boot)), humanBytes(e.Memory), t.faint("nothing was changed"))
}

func (s *reloadStory) tellBegun(e control.Event) {
	line := fmt.Sprintf("%s  generation %d  %s", e.Pool, e.Generation, e.Directory)
	if e.Pinned != nil && !*e.Pinned && !s.mentioned[e.Directory] {
		s.mentioned[e.Directory] = true
		line += "  " + s.t.faint("unpinned: it is edited in place, so a worker that restarts runs what it holds then")
	}
	fmt.Fprintln(s.t.out, line)
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
	line := fmt.Sprintf("%s  worker %d%s  generation %d  pid %s → %d  boot %s  drained %d", e.Pool, slot(e), what, e.Generation, old, e.NewPID, humanDuration(fromMillis(e.Boot)), e.Drained)
	if e.Again != "" {
		line += "  " + s.t.yellow(fmt.Sprintf("one more was tried: the first was killed from outside (%s)", e.Again))
	}
	fmt.Fprintln(s.t.out, line+s.cut(e))
}

// cut names the requests that did not end in time, if there are any.
func (s *reloadStory) cut(e control.Event) string {
	if len(e.Cut) == 0 {
		return ""
	}
	return "  " + s.t.yellow(fmt.Sprintf("cut at drain_timeout: %s", strings.Join(e.Cut, ", ")))
}

func (s *reloadStory) tellFailed(e control.Event) {
	t := s.t
	what := "the reload failed:"
	if e.Slot != nil {
		what = fmt.Sprintf("worker %d of generation %d did not start:", *e.Slot, e.Generation)
	}
	fmt.Fprintf(t.err, "%s  %s\n\n%s\n\n%s  %s\n", e.Pool, t.red(what), strings.TrimRight(e.Error, "\n"), e.Pool, t.bold(whatRuns(e)))
}

// whatRuns says exactly what serves after a failure.
func whatRuns(e control.Event) string {
	up := 0
	var parts []string
	for _, r := range e.Running {
		up += len(r.Slots)
		parts = append(parts, fmt.Sprintf("%s generation %d", slotRanges(r.Slots), r.Generation))
	}
	down := ""
	if up < e.Workers {
		down = fmt.Sprintf("; %s not up, and the host keeps trying", counted(e.Workers-up, "worker"))
	}
	switch {
	case up == 0 && e.Replaced == 0:
		return "nothing was replaced, and no worker is up: the host keeps trying to start the old ones"
	case up == 0:
		return "no worker is up: the host keeps trying"
	case e.Replaced == 0 && len(e.Running) == 1:
		return fmt.Sprintf("nothing was replaced: the old workers keep serving, with generation %d%s", e.Running[0].Generation, down)
	case e.Replaced == 0:
		return "the old workers keep serving: " + strings.Join(parts, ", ") + down
	}
	return "workers " + strings.Replace(strings.Join(parts, ", "), " generation", " run generation", 1) + down
}

func slot(e control.Event) int {
	if e.Slot == nil {
		return 0
	}
	return *e.Slot
}
