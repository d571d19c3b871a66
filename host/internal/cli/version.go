// host version.

package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/protocol"
)

// version is set by the Makefile, with -ldflags -X.
var version string

// Version is the version that this binary was built as.
func Version() string {
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

// VersionCommand is host version.
func VersionCommand() *Command {
	return &Command{
		Name:    "version",
		Summary: "Say which version this is",
		Detail:  "Prints the version of this binary. `host status` has that of the host that is running.",
		Example: "host version",
		Define: func(*pflag.FlagSet) func(*Terminal, []string) error {
			return func(t *Terminal, args []string) error {
				if err := noArguments(args); err != nil {
					return err
				}
				fmt.Fprintf(t.Out, "%s %s (%s, %s/%s, worker protocol %d)\n", t.program(), Version(),
					runtime.Version(), runtime.GOOS, runtime.GOARCH, protocol.Version)
				return nil
			}
		},
	}
}
