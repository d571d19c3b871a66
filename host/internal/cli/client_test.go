package cli

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

func TestWhereAHostIsLookedForIsASocketOrTCP(t *testing.T) {
	for _, place := range []string{"http://127.0.0.1:9181", "unix:/run/host.sock", "unix:///run/host.sock"} {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		find := hostFlags(f)
		if err := f.Parse([]string{"--control", place}); err != nil {
			t.Fatal(err)
		}
		var usage *usageError
		if _, err := find(); !errors.As(err, &usage) ||
			!strings.Contains(err.Error(), "or tcp://HOST:PORT, found \""+place) {
			t.Errorf("%s: %v", place, err)
		}
	}
}

func TestTheRemedyFitsWhyNoHostAnswers(t *testing.T) {
	const start = "Start one with `host serve`"
	for _, c := range []struct {
		err   control.NoHost
		says  string
		start bool // one is to be started
	}{
		{control.NoHost{Path: "/run/c.sock", Err: fs.ErrNotExist}, "there is no control socket", true},
		{control.NoHost{Path: "tcp://10.0.0.1:9181", Err: errors.New("timeout")}, "look at its [control] listen",
			false},
		{control.NoHost{Path: "/run/c.sock", Err: fs.ErrNotExist, PID: 7}, "kill -TERM 7 stops it", false},
		{control.NoHost{Path: "/etc/passwd", Err: control.ErrNoSocket}, "/etc/passwd is no socket", false},
		{control.NoHost{Path: "/run/c.sock", Err: fs.ErrPermission}, "not for this user", false},
	} {
		if text := withRemedy(&c.err).Error(); !strings.Contains(text, c.says) ||
			strings.Contains(text, start) != c.start {
			t.Errorf("%+v: %s", c.err, text)
		}
	}
}
