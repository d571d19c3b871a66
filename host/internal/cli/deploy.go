// host deploy: makes a release, and has the host put it live.

package cli

import (
	"os"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/deploy"
)

// DeployCommand is host deploy. launcher is what starts a program as another user: the program that comes before it,
// and its arguments.
func DeployCommand(launcher func() ([]string, error)) *Command {
	return &Command{
		Name:      "deploy",
		Arguments: "REF|FOLDER|ARCHIVE [POOL]",
		Summary:   "Make a release in a folder of its own, and put it live",
		Detail: `Takes a commit of [deploy] repository, a folder (/srv/new, ./build) or an archive (.tar.gz, .tgz, .tar, .zip) into the next folder of releases, links
what is shared, runs the commands of build as the pool's user, and has the host put it live as host reload does: with before, check, canary, pace
and after. Then the symlink current leads there, in one step, and the oldest releases beyond keep go. ` + "`host help deploy`" + ` has a quick start.

A failure at any step says which one, with its output, and leaves what serves as it was; the release that failed stays to be looked at until the next deploy.
Two deploys exclude each other. One that is killed, at any moment, is made good by the next. Without a host that runs, the commands of before run,
and current moves.

host rollback goes back, and host rollback --release N to any release that is kept. Only root and the host's own user may deploy, on the machine itself.`,
		Example: `host deploy main
host deploy v1.4 -m "the basket"
host deploy ./build shop
host deploy shop-1.4.tar.gz --json`,
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			asJSON := f.Bool("json", false, "print a JSON object per line")
			canary := canaryFlags(f)
			proves := f.String("proves", "", "go live only if the request of the fault `ID` does not fail any "+
				"more: host faults")
			return func(t *Terminal, args []string) error {
				if len(args) == 0 || len(args) > 2 {
					return Misused("expected REF, FOLDER or ARCHIVE, and POOL at most, found %d arguments", len(args))
				}
				d, err := newDeployment(t, f, find, strings.Join(args[1:], ""), launcher, *asJSON)
				if err != nil {
					return err
				}
				d.ask.Proves = *proves
				if d.ask.Canary, err = canary(); err != nil {
					return err
				}
				ctx, done := UntilInterrupted()
				defer done()
				return d.run(ctx, source{what: args[0]})
			}
		},
	}
}

// newDeployment reads how it is done, and changes nothing.
func newDeployment(t *Terminal, f *pflag.FlagSet, find func() (*control.Client, error), pool string,
	launcher func() ([]string, error), asJSON bool) (*deployment, error) {
	by, err := config.FindDeploy(f.Lookup("config").Value.String(), pool, os.LookupEnv)
	if err != nil {
		return nil, err
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
