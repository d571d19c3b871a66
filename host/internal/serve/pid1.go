// pid1.go: the first process of a container. Linux gives it every process whose parent has died, and nobody else can
// take their exits. A host that waited for all of them would take the exits of its own workers from under itself, so
// it runs below a process that does nothing else: this one.

package serve

import (
	"os"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/cli"
)

const firstName = "pid1"

// FirstCommand is what `host serve` becomes as process 1.
func FirstCommand() *cli.Command {
	return &cli.Command{
		Name:      firstName,
		Arguments: "serve [ARGUMENT...]",
		Hidden:    true,
		Summary:   "Run the host below a process that reaps orphans",
		Detail: "`host serve` does this for itself where it is process 1, as in a container. Signals are passed " +
			"on, and the exit status is the host's.",
		Example: "host pid1 serve examples/hello-php",
		Define: func(f *pflag.FlagSet) func(*cli.Terminal, []string) error {
			f.SetInterspersed(false) // the flags are the host's
			return func(_ *cli.Terminal, args []string) error {
				if len(args) == 0 || args[0] != "serve" {
					return cli.Misused("expected serve, and what belongs to it")
				}
				return passed(runBelow(args))
			}
		},
	}
}

// AsFirst puts the arguments of process 1 below a process that reaps.
func AsFirst(args []string) []string {
	if os.Getpid() == 1 && len(args) > 0 && args[0] == "serve" {
		return append([]string{firstName}, args...)
	}
	return args
}
