// host stop: ends a host, and waits until it has gone.

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

// StopCommand is host stop.
func StopCommand() *Command {
	return &Command{
		Name:    "stop",
		Summary: "Stop the host and wait until it has gone",
		Detail: `With stop_delay in host.toml the host serves on for that long, with /readyz red. Then it stops
accepting, finishes the requests in flight (for as long as drain_timeout), and stops its workers. --now cuts what
is in flight; it also hurries a graceful stop that is under way. Ctrl-C ends this command, and not the stop.`,
		Example: "host stop\nhost stop --now",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			now := f.Bool("now", false, "cut requests that are in flight")
			asJSON := f.Bool("json", false, "print a JSON object per line")
			return func(t *Terminal, args []string) error {
				if err := noArguments(args); err != nil {
					return err
				}
				client, err := find()
				if err != nil {
					return err
				}
				return stop(t, client, *now, *asJSON)
			}
		},
	}
}

func stop(t *Terminal, client *control.Client, now, asJSON bool) error {
	ctx, done := UntilInterrupted()
	defer done()
	began := time.Now()
	err := client.Stop(ctx, now, func(e control.Event, line []byte) error {
		switch {
		case asJSON:
			fmt.Fprintf(t.Out, "%s\n", line)
		case e.Kind == control.Stopping && e.Inflight > 0 && !now:
			fmt.Fprintf(t.Out, "stopping: %s to finish\n", Counted(e.Inflight, "request"))
		}
		return nil
	})
	var stop *interrupted
	switch {
	case errors.As(context.Cause(ctx), &stop):
		stop.text = "the host goes on stopping, and `host stop --now` would hurry it"
		return stop
	case errors.Is(err, control.ErrCutOff):
		return &Ended{Outcome: control.HostStopped,
			Text: "the host ended before it could say that it had stopped its workers"}
	case err != nil:
		return withRemedy(err)
	}
	if !asJSON {
		fmt.Fprintf(t.Out, "stopped in %s\n", HumanDuration(time.Since(began)))
	}
	return nil
}
