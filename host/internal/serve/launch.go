// host launch: the hidden first life of a worker, in which its process gives up what it must not have, before it
// executes the worker's program.

package serve

import (
	"fmt"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/privilege"
)

const (
	launchName      = "launch"
	launchComplaint = "host launch: the worker can't be started: "
)

// LaunchCommand is host launch.
func LaunchCommand() *cli.Command {
	return &cli.Command{
		Name:      launchName,
		Arguments: "-- PROGRAM [ARGUMENT...]",
		Hidden:    true,
		Summary:   "Become a worker, with another user and other limits",
		Detail: "`host serve` starts this for itself, for pools with user, umask, rlimits or confine. The " +
			"environment says what is to be changed.",
		Example: "host serve examples/hello-php",
		Define: func(f *pflag.FlagSet) func(*cli.Terminal, []string) error {
			f.SetInterspersed(false)
			return func(_ *cli.Terminal, args []string) error {
				plan, err := privilege.FromEnviron()
				if err != nil {
					return err
				}
				return fmt.Errorf("the worker can't be started: %w", privilege.Become(plan, args))
			}
		},
	}
}
