// host reload: asks the host to put new code live, and tells what happens as it happens.

package cli

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

// ReloadCommand is host reload.
func ReloadCommand() *Command {
	return &Command{
		Name:      "reload",
		Arguments: "[POOL...]",
		Summary:   "Put new code live, one worker at a time",
		Detail: `Starts a new worker beside each old one, and when it is ready lets the old one finish its
requests and go. The first new worker that fails to start ends the reload: the old ones keep serving.

Several pools change all together or not at all: the first new worker of each has to be ready before any pool
changes, and if one fails after that, those before it are put back. That takes the old release in a folder of
its own; a pool whose code is edited in place stays on the new code then, and is named. With --each each pool is
reloaded by itself, and those before one that fails stay on the new code.

The configuration is read again first, with the flags that the host was started with. A file with a mistake
changes nothing. Otherwise settings, limits, the log level, pools and listeners become what it says, and no
connection is closed for it; what waits for a restart is named. Certificates and the public folder are read
again, too.

With --canary 5% the new code is first tried on that share of the clients, beside fresh workers of the old code
with as many clients, and goes live only if it does as well: ` + "`host help canary`" + `. One that does worse is
turned back, with the evidence and exit status 3. Pools may have a canary by default; --canary=off is without.
--promote and --abort end it at any time.

With --shadow 1% nothing goes live: copies of that share of the safe requests go to workers of the new code, for
--for (2m), after the clients have had their answers of the old one. Both answers are compared, and the exit
status is 3 if any differ: ` + "`host help shadow`" + `.

With --rehearse LOG the old and the new code are asked the safe requests of an access log first, and nothing goes
live if an answer differs (exit status 3): ` + "`host help rehearse`" + `.

Without POOL every pool is reloaded, one after the other. With it, only what the file says of that pool counts.
With --dry-run one worker of the new code starts beside each pool, is warmed up, and ends again. It is told what a
reload would change, how long the worker took, its memory, all that it printed, and how long a reload would take.
Code with onUpgrade() tries it on a sample of the live sessions. Nothing changes. On a terminal a line shows each
worker that is being replaced, and a bar how far it all is. Ctrl-C ends this command, and not the reload.

With --cluster all hosts of the cluster are reloaded, one after the other; the first that fails ends it:
` + "`host help cluster`" + `.

With --pace it waits between two workers while more requests queue than there are workers, or processors are short
(on Linux: /proc/pressure/cpu, some avg10 over 60 %), at most so long for each worker, and says why.

The exit status is 0 only if every worker was replaced; ` + "`host help exit`" + ` has the others. With --strict
it is 9 if a request was cut at drain_timeout.`,
		Example: `host reload
host reload --dry-run
host reload --proves f12
host reload --rehearse /var/log/nginx/access.log --compare status
host reload --canary 5% --for 2m
host reload --shadow 1% --for 5m --ignore 'csrf" value="[^"]*"'
host reload web --json
host reload --strict || echo "exit status $?"`,
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			asJSON := f.Bool("json", false, "print a JSON object per line")
			abort := f.Bool("abort", false,
				"end the reload under way after the worker at hand, and tell which worker runs what")
			promote := f.Bool("promote", false, "end the canary under way as if it had gone well: its code goes live")
			canary, shadow := canaryFlags(f), shadowFlags(f)
			rehearsal := reloadRehearsal(f)
			dryRun := f.Bool("dry-run", false, "try the new code with one worker beside each pool, and change nothing")
			each := f.Bool("each", false, "reload each pool by itself, instead of all or none")
			pace := f.String("pace", "", "wait between workers while requests queue or processors are short, at most "+
				"`TIME` for each (default 30s)")
			f.Lookup("pace").NoOptDefVal = "30s"
			proves := f.String("proves", "", "go live only if the request of the fault `ID` does not fail any "+
				"more: host faults")
			all := f.Bool("cluster", false, "reload all hosts of the cluster, one after the other; the first "+
				"that fails ends it")
			strict := f.Bool("strict", false, "fail if a request was cut at drain_timeout; the new code stays live")
			return func(t *Terminal, args []string) error {
				client, err := find()
				if err != nil {
					return err
				}
				what := control.Reload{Pools: args, Each: *each, Proves: *proves}
				if *proves != "" && (*abort || *promote || *dryRun) {
					return Misused("--proves means nothing with --abort, --promote and --dry-run: host replay asks " +
						"without a reload")
				}
				if what.Pace, err = paceOf(*pace); err != nil {
					return err
				}
				ask, look := client.Reload, client.Status
				if what.Shadow, err = shadow(); err != nil {
					return err
				}
				if what.Canary, err = canary(); err != nil {
					return err
				}
				if what.Rehearse, err = rehearsal(); err != nil {
					return err
				}
				if what.Rehearse != nil && (*abort || *promote || *dryRun) {
					return Misused("--rehearse means nothing with --abort, --promote and --dry-run: host rehearse " +
						"asks without a reload")
				}
				if *all && (*abort || *promote || what.Shadow != nil) {
					return Misused("--abort, --promote and --shadow are for one host: give them there")
				}
				if what.Shadow != nil {
					if *promote || *abort || *dryRun || *each || *strict || *pace != "" || what.Canary != nil {
						return Misused("--shadow puts nothing live, so beside it only --for, --requests, --ignore " +
							"and pools mean something")
					}
					return reload(t, newReloadStory(t), client.Reload, nil, what, false, *asJSON)
				}
				switch {
				case *promote && (*abort || *dryRun || *each || *strict || *pace != "" || what.Canary != nil ||
					len(args) > 0):
					return Misused("--promote stands alone: it ends the canary under way, whichever it is")
				case what.Canary != nil && (*abort || *dryRun):
					return Misused("--canary and what belongs to it mean nothing with --abort and --dry-run")
				case *promote:
					ask = func(ctx context.Context, _ control.Reload, each func(control.Event, []byte) error) error {
						return client.Promote(ctx, each)
					}
				case *abort && (*dryRun || *each || *strict || *pace != "" || len(args) > 0):
					return Misused("--abort stands alone: it ends the reload under way, whichever it is")
				case *dryRun && (*each || *strict || *pace != ""):
					return Misused("--dry-run changes nothing, so --each, --strict and --pace mean nothing with it")
				case *abort:
					return abortReload(t, client, *asJSON)
				case *dryRun:
					ask, look = client.Try, nil
				}
				if *all {
					return eachHost(t, client, "reloaded", *asJSON, func(at *control.Client) error {
						ask, look := at.Reload, at.Status
						if *dryRun {
							ask, look = at.Try, nil
						}
						return reload(t, newReloadStory(t), ask, look, what, *strict, *asJSON)
					})
				}
				return reload(t, newReloadStory(t), ask, look, what, *strict, *asJSON)
			}
		},
	}
}

// asking is a command of the client that has an account.
type asking func(ctx context.Context, what control.Reload, each func(control.Event, []byte) error) error

// looking is how a command sees what goes on meanwhile.
type looking func(context.Context) (control.Status, error)

func reload(t *Terminal, story *reloadStory, ask asking, look looking, what control.Reload, strict,
	asJSON bool) error {
	ctx, done := UntilInterrupted()
	defer done()
	enough := story.watch(ctx, look, asJSON)
	err := ask(ctx, what, story.follow(asJSON))
	enough()
	var stop *interrupted
	switch {
	case errors.As(context.Cause(ctx), &stop):
		stop.text = "the reload goes on without this command, and `host status` shows how far it is"
		return stop
	case err != nil:
		return withRemedy(err)
	case strict && story.outcome == control.Done && len(story.lost) > 0:
		return &Ended{Outcome: control.RequestsCut,
			Text: "the new code is live, but requests were cut: " + strings.Join(story.lost, ", ")}
	}
	return EndedBy(story.outcome, cmp.Or(story.what, meaning(story.outcome), string(story.outcome)))
}

// abortReload succeeds if the reload was indeed ended before its end.
func abortReload(t *Terminal, client *control.Client, asJSON bool) error {
	ctx, done := UntilInterrupted()
	defer done()
	story := newReloadStory(t)
	enough := story.watch(ctx, client.Status, asJSON)
	err := client.Abort(ctx, story.follow(asJSON))
	enough()
	if err != nil {
		return withRemedy(err)
	}
	if story.outcome == control.Done {
		return errors.New("it was completed before it could be aborted")
	}
	return nil
}
