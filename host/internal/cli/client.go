// client.go: what the commands that talk to a running host have in common.

package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// hostFlags declares -c and --control. What it returns finds the host.
func hostFlags(f *pflag.FlagSet) func() (*control.Client, error) {
	file := f.StringP("config", "c", "", "configuration `FILE` that the host was started with (default: host.toml "+
		"in the working directory, or what runs as the service of a package)")
	socket := f.String("control", "",
		"control socket of the host, at `PATH`, or tcp://HOST:PORT for one with [control] listen")
	tokenFile := f.String("token-file", "", "`FILE` with the token of a host at tcp://")
	return func() (*control.Client, error) {
		if address, isTCP := control.TCPAddress(*socket); isTCP {
			return AtPlace(config.Place{Address: address, TokenFile: *tokenFile})
		}
		if scheme, rest, isURL := strings.Cut(*socket, ":"); isURL &&
			(strings.HasPrefix(rest, "//") || scheme == "unix") {
			return nil, Misused("--control: expected the path of a socket, or tcp://HOST:PORT, found %q", *socket)
		}
		place, err := config.FindControl(*socket, *file, os.LookupEnv)
		if err != nil {
			return nil, err
		}
		if *tokenFile != "" {
			if place.Address == "" {
				return nil, Misused("--token-file is for --control tcp://HOST:PORT: a socket asks for no token")
			}
			place.Token, place.TokenFile = "", *tokenFile
		}
		return AtPlace(place)
	}
}

// AtPlace makes a client of the host that is to be asked there, without connecting.
func AtPlace(p config.Place) (*control.Client, error) {
	switch {
	case p.Address == "":
		return control.NewClient(p.Socket), nil
	case p.Token == "" && p.TokenFile == "":
		return nil, Misused("the host at tcp://%s needs its token: give --token-file FILE", p.Address)
	case p.Token != "":
		return control.NewRemoteClient(p.Address, p.Token), nil
	}
	token, err := config.ReadToken(p.TokenFile)
	if err != nil {
		return nil, err
	}
	return control.NewRemoteClient(p.Address, token), nil
}

// actFlags declares those of hostFlags, and --message for commands that are noted in the host's log. What it returns
// finds the host.
func actFlags(f *pflag.FlagSet) func() (*control.Client, error) {
	find := hostFlags(f)
	message := f.StringP("message", "m", "", "`TEXT` for the line that the host's log has of this: why")
	return func() (*control.Client, error) {
		client, err := find()
		if err == nil {
			client.Message = *message
		}
		return client, err
	}
}

// withRemedy says what to try when no host answers.
func withRemedy(err error) error {
	var none *control.NoHost
	switch {
	case !errors.As(err, &none) || none.PID != 0 || errors.Is(err, os.ErrPermission) ||
		errors.Is(err, control.ErrNoSocket):
		return err
	case none.Remote():
		return fmt.Errorf("%w\nStart one there with `host serve`, or look at its [control] listen, and at what is "+
			"on the way to it", err)
	}
	return fmt.Errorf("%w\nStart one with `host serve`. If it runs already, run this in the folder where it was "+
		"started, or name its file with -c FILE or its socket with --control PATH", err)
}
