// host version.

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/protocol"
)

// version is set with -ldflags "-X main.version=…".
var version string

// hostVersion is the version that this binary was built as.
func hostVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}

func versionCommand() *command {
	return &command{
		name:    "version",
		summary: "Say which version this is",
		detail:  "Prints the version of this binary. `host status` has that of the host that is running.",
		example: "host version",
		define: func(*pflag.FlagSet) func(*terminal, []string) error {
			return func(t *terminal, args []string) error {
				if err := noArguments(args); err != nil {
					return err
				}
				fmt.Fprintf(t.out, "host %s (%s, %s/%s, worker protocol %d)\n", hostVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, protocol.Version)
				return nil
			}
		},
	}
}
