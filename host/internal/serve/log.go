// log.go makes the host's logger from [log].

package serve

import (
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/redact"
)

// newLogger writes to stderr: text on a terminal and JSON elsewhere, unless the configuration says otherwise.
func newLogger(c config.Log) masked {
	onTerminal := cli.IsTerminal(os.Stderr)
	options := &hclog.LoggerOptions{
		Level:              hclog.LevelFromString(c.Level),
		Output:             os.Stderr,
		JSONFormat:         c.Format == "json" || c.Format == "auto" && !onTerminal,
		JSONEscapeDisabled: true,
	}
	if !options.JSONFormat && onTerminal {
		options.TimeFormat = "15:04:05.000"
		if cli.ColoursWanted() {
			options.Color = hclog.AutoColor
		}
	}
	redact.Also(c.Redact)
	log := masked{Logger: hclog.New(options)}
	// a container's two outputs are often one: this tells its lines from those of the access log
	if options.JSONFormat {
		log.Logger = log.Logger.With("log", "host")
	}
	return log
}
