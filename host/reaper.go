// host reaper: the hidden other half of host serve, which kills what workers leave behind when the host dies.

package main

import (
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/workers"
)

const reaperName = "reaper"

func reaperCommand() *command {
	return &command{
		name:    reaperName,
		hidden:  true,
		summary: "Kill the workers of a host that died",
		detail:  "`host serve` starts this for itself. It reads the workers' process groups from its input, and kills them when that ends.",
		example: "host serve examples/hello-php",
		define: func(*pflag.FlagSet) func(*terminal, []string) error {
			return func(*terminal, []string) error {
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
