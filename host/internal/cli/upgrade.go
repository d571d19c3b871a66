// host upgrade: has a host replaced by another process, of a new version of the program, while it serves.

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

// UpgradeCommand is host upgrade.
func UpgradeCommand() *Command {
	return &Command{
		Name:    "upgrade",
		Summary: "Replace the host itself, by a new version of its program",
		Detail: `Starts the host's program, as it is on disk now, beside the host that serves, with the same
arguments. The new host reads the configuration, gets the listening sockets, and starts its workers. When all of
them are ready it takes over: listeners, the control socket, the admin listener, and the long-lived connections in
cleartext over HTTP/1.1 and TCP. Nobody's connection is refused meanwhile. The old host finishes what it has within
drain_timeout, ends its workers, stays between clients over TLS and the new host for upgrade_linger, and goes: host
help deploying.

Whatever fails before that, a mistake in host.toml, code that does not start, a program that is no host, changes
nothing: the old host goes on, the exit status is 1, and it is told why. There is a time-out, of a minute and
start_timeout.

--binary takes another program instead. It has to belong to root, and nobody else may be able to write to it or
to a folder on the way to it. The setting upgrade_binary names one for good, which may belong to anybody whom
host.toml trusts.

systemd is told of the new process. A shell, a supervisor or a container waits for the process that it has
started: that one stays as a small parent of the host, which passes signals on and ends as the host does.

With --cluster all hosts of the cluster are upgraded, one after the other, this one first; the first that fails
ends it: ` + "`host help cluster`" + `. The
program has to be in place on each of them, and [cluster] rights of the others have to have "upgrade".

Only root and the user of the host may do this, whatever [control] group is, and over TCP only a token with the
right "upgrade". On Linux only.`,
		Example: "host upgrade\nhost upgrade --binary /usr/local/lib/host-2.0\nhost upgrade --cluster",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			binary := f.String("binary", "", "replace the host by the program at `PATH`, which only root "+
				"may be able to write")
			all := f.Bool("cluster", false, "upgrade all hosts of the cluster, one after the other; the first "+
				"that fails ends it")
			asJSON := f.Bool("json", false, "print a JSON object per line")
			return func(t *Terminal, args []string) error {
				if err := noArguments(args); err != nil {
					return err
				}
				client, err := find()
				if err != nil {
					return err
				}
				if *all {
					return eachHost(t, client, "upgraded", *asJSON, func(c *control.Client) error {
						return upgrade(t, c, *binary, *asJSON)
					})
				}
				return upgrade(t, client, *binary, *asJSON)
			}
		},
	}
}

func upgrade(t *Terminal, client *control.Client, binary string, asJSON bool) error {
	ctx, done := UntilInterrupted()
	defer done()
	var end control.Event
	err := client.Upgrade(ctx, control.Upgrade{Binary: binary}, func(e control.Event, line []byte) error {
		if e.Kind == control.Summary {
			end = e
		}
		switch {
		case asJSON:
			fmt.Fprintf(t.Out, "%s\n", line)
		case e.Kind == control.UpgradeBegun:
			fmt.Fprintf(t.Out, "starting %s, pid %d\n", e.What, e.NewPID)
		case e.Kind == control.UpgradeReady:
			fmt.Fprintf(t.Out, "its workers are ready, after %s\n", HumanDuration(fromMillis(e.Took)))
		case e.Kind == control.Summary && e.Outcome == control.Done:
			fmt.Fprintf(t.Out, "upgraded in %s: pid %d serves\n", HumanDuration(fromMillis(e.Took)), e.NewPID)
		}
		return nil
	})
	var stop *interrupted
	switch {
	case errors.As(context.Cause(ctx), &stop):
		stop.text = "the upgrade goes on without this command, and `host status` shows which process serves"
		return stop
	case err != nil:
		return withRemedy(err)
	}
	if end.Outcome != control.Done {
		return &Ended{Outcome: cmp.Or(end.Outcome, control.HostStopped), Text: end.What}
	}
	return nil
}
