package serve

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/privilege"
	"github.com/workerhost/workerhost/host/internal/spool"
)

// equipped is what a pool of the configuration is given, and its log.
func equipped(t *testing.T, c *config.Pool) (launcher, env []string, log string, err error) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	var said bytes.Buffer
	p := &pool{name: "app", log: hclog.New(&hclog.LoggerOptions{Output: &said})}
	defer p.private.Close()
	spool := spool.New("", 1<<20, nil)
	defer spool.Close()
	c.Name = "app"
	given, err := p.equip(c, t.TempDir(), "/bin/sh", spool)
	return given.Launcher, given.Env, said.String(), err
}

func TestAPlainPoolIsStartedWithoutALauncher(t *testing.T) {
	launcher, env, _, err := equipped(t, &config.Pool{})
	if err != nil || launcher != nil || len(env) != 1 || !strings.HasPrefix(env[0], "TMPDIR="+os.Getenv("TMPDIR")) {
		t.Errorf("launcher %q, environment %q, %v", launcher, env, err)
	}
	if _, env, _, _ := equipped(t, &config.Pool{Env: map[string]string{"TMPDIR": "/var/tmp"}}); !slices.Equal(env,
		[]string{"TMPDIR=/var/tmp"}) {
		t.Errorf("with a TMPDIR of its own: %q", env)
	}
}

func TestAKernelThatCanNotConfineIsAnErrorUnlessItIsOptional(t *testing.T) {
	CanConfine = func(bool) (string, error) { return "", errors.New("this kernel has no Landlock") }
	defer func() { CanConfine = privilege.CanConfine }()
	if _, _, _, err := equipped(t, &config.Pool{Confine: &config.Confine{}}); err == nil ||
		!strings.Contains(err.Error(), "no Landlock; write optional = true in [pool.app.confine]") {
		t.Errorf("error %v", err)
	}
	launcher, _, log, err := equipped(t, &config.Pool{Confine: &config.Confine{Optional: true}})
	if err != nil || launcher != nil || !strings.Contains(log, "not confined") {
		t.Errorf("optional: launcher %q, %v, log %q", launcher, err, log)
	}
}

func TestPathsInTheDirectoryFollowItsRelease(t *testing.T) {
	c := &config.Pool{Directory: "/srv/app/current"}
	got := inRelease(c, "/srv/app/releases/42",
		[]string{"/srv/app/current/var", "/srv/app/current", "/srv/app/shared", "/srv/app/current2"})
	want := []string{filepath.FromSlash("/srv/app/releases/42/var"), filepath.FromSlash("/srv/app/releases/42"),
		"/srv/app/shared", "/srv/app/current2"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
