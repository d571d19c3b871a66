// host deploy: makes a release, and has the host put it live.

package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/deploy"
	"github.com/workerhost/workerhost/host/internal/privilege"
)

// DeployCommand is host deploy. launcher is what starts a program as another user: the program that comes before it,
// and its arguments.
func DeployCommand(launcher func() ([]string, error)) *Command {
	return &Command{
		Name:      "deploy",
		Arguments: "REF|FOLDER|ARCHIVE|init|adopt [POOL]",
		Summary:   "Make a release in a folder of its own, and put it live",
		Detail: `Takes a commit of [deploy] repository, a folder (/srv/new, ./build) or an archive (.tar.gz,
.tgz, .tar, .zip) into the next folder of releases, links what is shared, runs the commands of build as the pool's
user, and has the host put it live as host reload does: with before, check, canary, pace and after. Then the
symlink current leads there, in one step, and the oldest releases beyond keep go.` + "`host help deploy`" + ` has
a quick start.

A failure at any step says which one, with its output, and leaves what serves as it was; the release that failed
stays to be looked at until the next deploy. Two deploys exclude each other. One that is killed, at any moment, is
made good by the next. Without a host that runs, the commands of before run, and current moves.

init makes a bare repository and its hook: a git push to it is a deploy then, whose progress is in git's output,
and a push whose deploy fails is refused. A push may say --proves, --canary, --for, --at-most and --message: git
push -o proves=f12 -o canary=off host main. --follow BRANCH goes on, and deploys the branch of the repository
whenever it has moved, and when a signed webhook says so; it is for a [service.NAME].

adopt makes the first release of a folder that is changed in place, which current names then: it and a symlink
change places in one step, and so does what is shared, so that no request misses a file; then the pools are
reloaded, without before and after.

host rollback goes back, and host rollback --release N to any release that is kept. Only root and the host's own
user may deploy, on the machine itself.`,
		Example: `host deploy main
host deploy v1.4 -m "the basket"
host deploy ./build shop
host deploy shop-1.4.tar.gz --json
host deploy init
host deploy --follow main`,
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			asJSON := f.Bool("json", false, "print a JSON object per line")
			canary := canaryFlags(f)
			proves := f.String("proves", "", "go live only if the request of the fault `ID` does not fail any "+
				"more: host faults")
			branch := f.String("follow", "", "deploy `BRANCH` of the repository whenever it moves, until interrupted")
			every := f.Duration("every", 0, "with --follow, how often to look (default 1s, or 1m for a repository "+
				"that is elsewhere)")
			pushed := f.Bool("pushed", false, "deploy what git tells its hook on standard input; for host deploy init")
			return func(t *Terminal, args []string) error {
				what := ""
				if *branch == "" && !*pushed && len(args) > 0 {
					what, args = args[0], args[1:]
				}
				switch {
				case what == "" && *branch == "" && !*pushed || len(args) > 1:
					return Misused("expected REF, FOLDER or ARCHIVE, and POOL at most")
				case *branch != "" && *pushed || f.Changed("every") && (*branch == "" || *every < time.Second):
					return Misused("--every is for --follow, and at least 1s; --pushed stands alone")
				}
				if *pushed {
					if err := setPushed(f, deploy.PushOptions(os.Getenv)); err != nil {
						return err
					}
				}
				pool := strings.Join(args, "")
				d, err := newDeployment(t, f, find, pool, launcher, *asJSON)
				if err != nil {
					return err
				}
				switch what {
				case "init":
					return d.initRepository(pool, f.Lookup("control").Value.String())
				case "adopt":
					return d.adopt()
				}
				d.ask.Proves = *proves
				if d.ask.Canary, err = canary(); err != nil {
					return err
				}
				switch {
				case *pushed:
					return d.receive()
				case *branch != "":
					return d.follow(*branch, *every)
				}
				ctx, done := UntilInterrupted()
				defer done()
				return d.run(ctx, source{what: what})
			}
		},
	}
}

// newDeployment reads how it is done, and changes nothing. Where somebody else than root is to do it, it has that
// done, and the error is how it ended: a [PassedExit].
func newDeployment(t *Terminal, f *pflag.FlagSet, find func() (*control.Client, error), pool string,
	launcher func() ([]string, error), asJSON bool) (*deployment, error) {
	by, err := config.FindDeploy(f.Lookup("config").Value.String(), pool, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	if by.Keeper != nil {
		return nil, deployAs(by.Keeper, launcher)
	}
	client, err := find()
	if err != nil {
		return nil, err
	}
	if given := f.Lookup("control").Value.String(); strings.Contains(given, "://") {
		return nil, Misused("--control: a host is deployed to on its own machine, by its socket")
	}
	d := &deployment{t: t, client: client, by: by, launcher: launcher, asJSON: asJSON,
		place: deploy.Place{Current: by.Current}, story: newReloadStory(t)}
	if owner := by.Owner(); owner != nil && os.Geteuid() == 0 {
		d.place.Owner = &deploy.Owner{UID: owner.UID, GID: owner.GID}
	}
	d.story.done = "live"
	return d, nil
}

// deployAs runs this command as another user, to its end.
func deployAs(who *privilege.Identity, launcher func() ([]string, error)) error {
	self, err := launcher()
	if err != nil {
		return err
	}
	ctx, done := UntilInterrupted()
	defer done()
	cmd := exec.CommandContext(ctx, self[0], os.Args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "USER="+who.User, "LOGNAME="+who.User, "HOME="+who.Home)
	privilege.RunAs(cmd, who)
	err = cmd.Run()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended) && ended.ExitCode() > 0:
		return PassedExit(ended.ExitCode())
	case err != nil:
		return fmt.Errorf("it could not be done as %s, to whom the folder belongs: %w", who, err)
	}
	return PassedExit(ExitOK)
}
