// upgrade_keeper.go: the process that was started first, after it was replaced. Whoever has started it waits for its
// pid: a shell, a supervisor, a container. So it stays, waits for the host that serves, and ends as that does.

package serve

import (
	"strconv"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/cli"
)

const keepName = "keeper"

// KeepCommand is what the first host becomes once it is replaced, where systemd can't be told of the next one.
func KeepCommand() *cli.Command {
	return &cli.Command{
		Name:      keepName,
		Arguments: "PID DESCRIPTOR",
		Hidden:    true,
		Summary:   "Wait for the host that has taken over",
		Detail: "`host serve` becomes this when another host has taken over from it. Signals are passed on, and " +
			"the exit status is that of the host which serves last.",
		Example: "host upgrade",
		Define: func(*pflag.FlagSet) func(*cli.Terminal, []string) error {
			return func(_ *cli.Terminal, args []string) error {
				if len(args) != 2 {
					return cli.Misused("expected the host's pid and a descriptor")
				}
				pid, err := strconv.Atoi(args[0])
				fd, wrong := strconv.Atoi(args[1])
				if err != nil || wrong != nil || pid < 1 || fd < 3 {
					return cli.Misused("expected the host's pid and a descriptor")
				}
				return passed(keeperAt(fd).keep(pid))
			}
		},
	}
}

// passed ends this program with another one's exit status.
func passed(status int, err error) error {
	if err == nil && status != cli.ExitOK {
		return cli.PassedExit(status)
	}
	return err
}
