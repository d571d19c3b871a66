// privileges.go: whether workers can become whom the configuration says, for host serve, which warns, and for host
// doctor, which tries.

package serve

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/spool"
)

// AsRoot names the pools whose workers run as root; none if the host is not root itself.
func AsRoot(pools []*config.Pool) (names []string) {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, p := range pools {
		if p.Identity == nil || p.Identity.UID <= 0 {
			names = append(names, p.Name)
		}
	}
	return names
}

// warnOfRoot says once that workers have more power than they need.
func (h *host) warnOfRoot() {
	if names := AsRoot(h.config().Pools); len(names) > 0 {
		h.log.Warn("workers run as root: give their pools a user that owns nothing else, such as user = "+
			"\"www-data\" in [pool."+names[0]+"], or start the host as one", "pools", strings.Join(names, ", "))
	}
}

// launchTimeout is far more than a launch takes.
const launchTimeout = 10 * time.Second

// TryLaunch launches a program that looks for the worker's code, in place of the worker.
func TryLaunch(ctx context.Context, c *config.Config, p *config.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		return err
	}
	dir, err := filepath.EvalSymlinks(p.Directory)
	if err != nil {
		return err
	}
	trial := &pool{name: p.Name, log: hclog.NewNullLogger()}
	defer trial.private.Close()
	spool := spool.New(c.HTTP.SpoolDirectory, int64(c.HTTP.SpoolQuota), nil)
	defer spool.Close()
	given, err := trial.equip(p, dir, shell, spool)
	if err != nil || len(given.Launcher) == 0 {
		return err
	}
	code := dir
	if p.Kind == config.PHPFile {
		code = p.Script
	}
	line := append(given.Launcher, shell, "-c",
		`[ -r "$1" ] || { echo "it can't be read: $1; let this user read it" >&2; exit 1; }`, "sh", code)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(p.Environ(os.Environ()), given.Env...), time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(said.String()); text != "" {
			return fmt.Errorf("%s", strings.TrimPrefix(text, launchComplaint))
		}
		return err
	}
	return nil
}
