// host reaper: the hidden other half of host serve, which kills what workers leave behind when the host dies.

package serve

import (
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/workers"
)

const reaperName = "reaper"

// ReaperCommand is host reaper.
func ReaperCommand() *cli.Command {
	return &cli.Command{
		Name:    reaperName,
		Hidden:  true,
		Summary: "Kill the workers of a host that died",
		Detail: "`host serve` starts this for itself. It reads the workers' process groups from its input, and " +
			"kills them when that ends.",
		Example: "host serve examples/hello-php",
		Define: func(*pflag.FlagSet) func(*cli.Terminal, []string) error {
			return func(*cli.Terminal, []string) error {
				workers.RunReaper(os.Stdin)
				return nil
			}
		},
	}
}

// startReaper runs this binary as the reaper.
func startReaper(log hclog.Logger) (*workers.Reaper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return workers.StartReaper([]string{self, reaperName}, log)
}
