// deploysteps.go: a deploy from its lock to the last old release, a step at a time.

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/deploy"
	"github.com/workerhost/workerhost/host/internal/privilege"
)

// deployment is one that is under way.
type deployment struct {
	t        *Terminal
	client   *control.Client
	by       *config.Deploying
	place    deploy.Place
	launcher func() ([]string, error)
	ask      control.Reload
	story    *reloadStory
	asJSON   bool

	status *control.Status // of the host; nil if none runs
}

// source is what a release is made of.
type source struct {
	what   string // as it was asked for
	commit string // of a hook; "" is to look
	pushed bool   // it is not in the repository yet
}

// deployStep is the end of a deploy at one of its steps.
type deployStep struct {
	step string
	err  error
}

func (s *deployStep) Error() string {
	return fmt.Sprintf("the step %q failed, and what serves is as it was: %v", s.step, s.err)
}

func (s *deployStep) Unwrap() error { return s.err }

// run makes the release, and puts it live.
func (d *deployment) run(ctx context.Context, from source) error {
	lock, err := d.place.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := d.mend(ctx, lock); err != nil {
		return &deployStep{"mend", err}
	}
	r, err := d.make(ctx, lock, from)
	if err != nil {
		return d.failed(ctx, r, err)
	}
	if d.status == nil {
		err = d.withoutHost(ctx, r)
	} else {
		err = d.live(ctx, r.Folder, false)
	}
	if err != nil {
		return d.failed(ctx, r, err)
	}
	if err := r.Finish(); err != nil {
		return fmt.Errorf("release %d is live, but its mark can't be removed: %w", r.Number, err)
	}
	removed, err := lock.Prune(d.by.Keep, d.lives)
	for _, folder := range removed {
		d.tell("prune", "removed "+d.short(folder))
	}
	if err != nil {
		d.warn(err)
	}
	d.done(r.Folder)
	return nil
}

// failed says where it ended.
func (d *deployment) failed(ctx context.Context, r *deploy.Release, err error) error {
	var stop *interrupted
	if errors.As(context.Cause(ctx), &stop) {
		stop.text = cmp.Or(stop.text, "what serves is as it was")
		return stop
	}
	if r != nil {
		d.tell("left", r.Folder+" stays until the next deploy, to be looked at")
	}
	return err
}

// mend makes good what a deploy before has left, and finds out whether a host runs.
func (d *deployment) mend(ctx context.Context, lock *deploy.Lock) error {
	if err := d.look(ctx); err != nil {
		return err
	}
	for waits := false; ; waits = true {
		removed, kept, err := lock.Mend(d.lives)
		for _, folder := range removed {
			d.tell("mend", "removed "+d.short(folder)+", which a deploy before has left")
		}
		for _, folder := range kept {
			d.tell("mend", d.short(folder)+" is live, though its deploy was cut off")
		}
		if !errors.Is(err, deploy.ErrClaimed) {
			return err
		}
		if !waits {
			d.tell("mend", "waits: "+err.Error())
		}
		select {
		case <-time.After(claimedPoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := d.look(ctx); err != nil {
			return err
		}
	}
}

// claimedPoll is how often is looked whether a reload has ended whose deploy was killed.
const claimedPoll = 100 * time.Millisecond

// look asks the host what runs.
func (d *deployment) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	status, err := d.client.Status(ctx)
	var none *control.NoHost
	switch {
	case err == nil:
		d.status = &status
	case errors.As(err, &none) && !none.Remote() && none.PID == 0 && !errors.Is(err, os.ErrPermission):
		d.status = nil
	case causedBy(err, control.Forbidden):
		return fmt.Errorf("%w\nBy root a deploy is done as the owner of %s: where the host is root's, make it "+
			"root's, too", err, filepath.Dir(d.by.Current))
	default:
		return err
	}
	return nil
}

func causedBy(err error, why control.Outcome) bool {
	cause, _ := causeOf(err)
	return cause == why
}

// lives says whether the host runs what is in a folder.
func (d *deployment) lives(folder string) bool {
	if d.status == nil {
		return false
	}
	for _, p := range d.status.Pools {
		if deploy.Within(p.Directory, folder) {
			return true
		}
	}
	return false
}

// make makes a release that is whole, and that nothing leads to. One that failed is given, too.
func (d *deployment) make(ctx context.Context, lock *deploy.Lock, from source) (r *deploy.Release, err error) {
	take, about, err := d.source(ctx, from)
	if err != nil {
		return nil, &deployStep{"take", err}
	}
	if r, err = lock.New(); err != nil {
		return nil, &deployStep{"take", err}
	}
	d.tell("take", fmt.Sprintf("%s is %s", d.short(r.Folder), about))
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"take", func() error { return take(r) }},
		{"share", func() error { return r.Share(d.by.Shared) }},
		{"build", func() error { return d.commands(ctx, r.Folder, d.by.Pool, "build", d.by.Build, d.by.Timeout) }},
		{"persist", r.Persist},
	} {
		err := step.do()
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return r, &deployStep{step.name, err}
		}
	}
	return r, nil
}

// source finds out what is asked for, and whether there is room for it.
func (d *deployment) source(ctx context.Context, from source) (take func(*deploy.Release) error, about string,
	err error) {
	keeps := d.place.Keeps(d.by.Shared)
	var size int64
	switch what := from.what; {
	case deploy.IsArchive(what):
		info, err := os.Stat(what)
		if err != nil {
			return nil, "", err
		}
		size, about = info.Size(), "of "+what
		take = func(r *deploy.Release) error { return r.FromArchive(ctx, what, deploy.DefaultLimits, keeps) }
	case deploy.IsFolder(what):
		folder, err := filepath.Abs(what)
		if err != nil {
			return nil, "", err
		}
		size, about = deploy.Size(folder), "of "+folder
		take = func(r *deploy.Release) error { return r.FromFolder(ctx, folder, deploy.DefaultLimits, keeps) }
	case d.by.Repository == "":
		hint := "set repository in [deploy] to deploy a branch, a tag or a commit"
		if info, err := os.Stat(what); err == nil && info.IsDir() {
			hint = "write ./" + what + " to deploy a folder"
		}
		return nil, "", Misused("%q is no archive, and there is no repository to find it in: %s", what, hint)
	default:
		g := d.repository()
		g.Pushed = from.pushed
		if err := g.Fetch(ctx); err != nil {
			return nil, "", fmt.Errorf("%s can't be fetched: %w", g.Shown(), err)
		}
		commit, err := g.Resolve(ctx, cmp.Or(from.commit, what))
		if err == nil {
			size, err = g.Size(ctx, commit, deploy.DefaultLimits)
		}
		if err != nil {
			return nil, "", err
		}
		about = fmt.Sprintf("commit %.*s of %s", shortCommit, commit, what)
		take = func(r *deploy.Release) error { return r.FromGit(ctx, g, commit, deploy.DefaultLimits, keeps) }
	}
	if d.client.Message == "" {
		d.client.Message = "deploy " + from.what
	}
	// what a build makes is not known; that of the release that is live is a good guess
	if live, err := d.place.Live(); err == nil && live != "" {
		size = max(size, deploy.Size(live))
	}
	return take, about, d.place.Room(size)
}

// repository is where refs are looked for.
func (d *deployment) repository() deploy.Repository {
	return deploy.Repository{From: d.by.Repository,
		Mirror: filepath.Join(filepath.Dir(d.by.Current), ".repository.git")}
}

// commands runs commands as a pool's worker would be run, but for its limits and its confinement.
func (d *deployment) commands(ctx context.Context, folder string, p *config.Pool, step string,
	commands config.Commands, timeout time.Duration) error {
	b := deploy.Builder{Environ: p.Environ(os.Environ()), Timeout: timeout}
	b.Launcher = func(folder string) (before, environ []string, err error) {
		plan := privilege.Plan{Directory: folder, Identity: p.Identity, Umask: p.UmaskBits()}
		if before, err = d.launcher(); err != nil || !privilege.Supported {
			return nil, nil, err
		}
		return before, []string{plan.Environ()}, nil
	}
	for _, command := range commands {
		began := time.Now()
		line := strings.Join(command, " ")
		d.tell(step, line)
		err := b.Run(ctx, folder, command, func(said string) { d.said(step, said) })
		took := HumanDuration(time.Since(began))
		if err != nil {
			return fmt.Errorf("%s: %w, after %s", printable(line), err, took)
		}
		d.tell(step, "passed in "+took)
	}
	return nil
}

// live has the host put a release live.
func (d *deployment) live(ctx context.Context, folder string, again bool) error {
	ask := d.ask
	ask.Deploy = &control.DeployAsk{Link: d.by.Current, Folder: folder, Again: again}
	enough := d.story.watch(ctx, d.client.Status, d.asJSON)
	err := d.client.Reload(ctx, ask, d.story.follow(d.asJSON))
	enough()
	var stop *interrupted
	switch {
	case errors.As(context.Cause(ctx), &stop):
		stop.text = "the host goes on without this command, and `host status` shows how far it is; the next deploy " +
			"finds out what came of it"
		return stop
	case err != nil:
		return &deployStep{"live", withRemedy(err)}
	}
	if end := EndedBy(d.story.outcome, cmp.Or(d.story.what, meaning(d.story.outcome))); end != nil {
		return end
	}
	return d.look(ctx) // for what is to stay
}

// withoutHost does what there is to do when nobody serves.
func (d *deployment) withoutHost(ctx context.Context, r *deploy.Release) error {
	for _, p := range d.by.Before {
		if err := d.commands(ctx, filepath.Join(r.Folder, p.Inside), p.Pool, "before", p.Commands,
			p.Timeout); err != nil {
			return &deployStep{"before", err}
		}
	}
	return d.move(r.Folder)
}

// move has the symlink lead to a release.
func (d *deployment) move(folder string) error {
	move, err := deploy.Prepare(d.by.Current, folder)
	if err == nil {
		err = move.Commit()
	}
	if err != nil {
		return &deployStep{"move", err}
	}
	d.tell("move", fmt.Sprintf("%s leads to %s; no host runs, and `host serve` starts one", d.by.Current,
		d.short(folder)))
	return nil
}

// short is a release as people know it.
func (d *deployment) short(folder string) string { return "release " + filepath.Base(folder) }

// tell tells of a step.
func (d *deployment) tell(step, text string) {
	if d.asJSON {
		encode(d.t.Out, control.Event{Kind: control.DeployStep, Gate: step, What: text})
		return
	}
	fmt.Fprintf(d.t.Out, "%s  %s\n", step, printable(text))
}

// said passes on what a command prints.
func (d *deployment) said(step, line string) {
	if d.asJSON {
		encode(d.t.Out, control.Event{Kind: control.GateOutput, Gate: step, Output: line})
		return
	}
	fmt.Fprintf(d.t.Out, "%s  %s\n", step, d.t.Faint("│ "+printable(line)))
}

func (d *deployment) warn(err error) {
	if d.asJSON {
		encode(d.t.Out, control.Event{Kind: control.Warned, What: err.Error()})
		return
	}
	fmt.Fprintln(d.t.Err, d.t.Yellow("warning: "+printable(err.Error())))
}

func (d *deployment) done(folder string) {
	if d.status != nil {
		d.tell("done", d.short(folder)+" is live")
	}
}
