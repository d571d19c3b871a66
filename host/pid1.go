// pid1.go: the first process of a container. Linux gives it every process whose parent has died, and nobody else can take their exits. A host that
// waited for all of them would take the exits of its own workers from under itself, so it runs below a process that does nothing else: this one.

package main

import (
	"os"

	"github.com/spf13/pflag"
)

const firstName = "pid1"

// firstCommand is what `host serve` becomes as process 1.
func firstCommand() *command {
	return &command{
		name:      firstName,
		arguments: "serve [ARGUMENT...]",
		hidden:    true,
		summary:   "Run the host below a process that reaps orphans",
		detail:    "`host serve` does this for itself where it is process 1, as in a container. Signals are passed on, and the exit status is the host's.",
		example:   "host pid1 serve examples/hello-php",
		define: func(f *pflag.FlagSet) func(*terminal, []string) error {
			f.SetInterspersed(false) // the flags are the host's
			return func(_ *terminal, args []string) error {
				if len(args) == 0 || args[0] != "serve" {
					return misused("expected serve, and what belongs to it")
				}
				status, err := runBelow(args)
				if err != nil {
					return err
				}
				if status != exitOK {
					return exitOf(status)
				}
				return nil
			}
		},
	}
}

// asFirst puts the arguments of process 1 below a process that reaps.
func asFirst(args []string) []string {
	if os.Getpid() == 1 && len(args) > 0 && args[0] == "serve" {
		return append([]string{firstName}, args...)
	}
	return args
}
