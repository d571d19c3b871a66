// settings.go: the flags that serve, check and doctor have in common.

package cli

import (
	"context"
	"os"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/php"
)

// SettingFlags declares the flags that serve and check have in common. What it returns makes the configuration of them
// and of the arguments.
func SettingFlags(f *pflag.FlagSet) func(args []string) (*config.Config, error) {
	var o config.Overrides
	file := f.StringP("config", "c", "",
		"configuration `FILE` (default: host.toml in the working directory, or in the folder WORKER, if there is one)")
	f.StringArrayVarP(&o.Listen, "listen", "l", nil,
		"listen on `ADDR`: host:port, :port, unix:/path or fd:NAME; can be repeated (default 127.0.0.1:8080)")
	f.IntVarP(&o.Workers, "workers", "n", 0, "`N` workers in each pool (default 2 per CPU, at least 4; 1 for Go)")
	f.StringVar(&o.Control, "control", "",
		"control socket at `PATH` (default: a private place, named after the configuration)")
	f.StringVar(&o.LogLevel, "log-level", "",
		"least severe `LEVEL` that is logged: trace, debug, info, warn or error (default info)")
	f.StringVar(&o.LogFormat, "log-format", "",
		"`FORMAT` of the log: auto, text or json; auto is text on a terminal (default auto)")
	f.BoolVar(&o.Dev, "dev", false, "show errors with their trace in responses; not for production")
	f.BoolVar(&o.TLS, "tls", false, "speak HTTPS, with a certificate for localhost that is signed by itself; for "+
		"development")
	return func(args []string) (*config.Config, error) {
		if dash := f.ArgsLenAtDash(); dash >= 0 {
			args, o.Command = args[:dash], args[dash:]
			if len(o.Command) == 0 {
				return nil, Misused("no command follows --")
			}
		}
		if len(args) > 1 {
			return nil, Misused("expected one WORKER, and got %d: %q; a command with arguments comes after --",
				len(args), args)
		}
		if len(args) == 1 {
			o.Worker = args[0]
		}
		if f.Changed("workers") && o.Workers < 1 {
			return nil, Misused("-n: expected a whole number of at least 1, found %d", o.Workers)
		}
		o.Declare = func(p *config.Pool) ([]config.Declared, error) { return php.Declare(context.Background(), p) }
		c, err := config.Load(config.FileFor(*file, o.Worker), os.LookupEnv)
		if err != nil {
			return nil, err
		}
		return c, c.Apply(o)
	}
}
