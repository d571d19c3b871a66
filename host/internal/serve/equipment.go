// equipment.go: what a pool's processes get besides their command. Their private folder, their settings, and the
// launcher that changes what only the process itself can change: its user, its limits, the files that it sees.

package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/php"
	"github.com/workerhost/workerhost/host/internal/privilege"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
	sdkphp "github.com/workerhost/workerhost/sdk-php"
	"github.com/workerhost/workerhost/workers"
)

// equip gives a generation of the pool what it needs: dir is its resolved directory, and program what it runs.
func (p *pool) equip(c *config.Pool, dir, program string, spool *spool.Spool) (workers.Equipment, error) {
	var given workers.Equipment
	temporary, err := p.temporary(c)
	if err != nil {
		return given, err
	}
	given.Env = append(given.Env, "TMPDIR="+temporary)
	settings := ""
	if text := php.PrivateINI(c); text != "" && (c.Kind == config.PHPFile || c.Kind == config.FPM) {
		if settings, err = p.private.Settings(c.Identity, text); err != nil {
			return given, err
		}
		given.Env = append(given.Env, php.ScanFolder(c.Environ(os.Environ()), settings))
	}
	given.Renew = func() error { // others clean temporary folders up
		_, err := p.temporary(c)
		if err == nil {
			_, err = p.prelude(c)
		}
		if err == nil && settings != "" {
			_, err = p.private.Settings(c.Identity, php.PrivateINI(c))
		}
		return err
	}
	if c.Identity != nil {
		given.Owner = &protocol.Owner{UID: c.Identity.UID, GID: c.Identity.GID, Groups: c.Identity.Groups}
	}
	plan := privilege.Plan{
		Directory: dir, Temporary: temporary, Identity: c.Identity, Umask: c.UmaskBits(),
		Files: c.Rlimits.Files, Core: (*int64)(c.Rlimits.Core), AddressSpace: (*int64)(c.Rlimits.AddressSpace),
	}
	if c.Confine != nil {
		if plan.Rules, err = p.rules(c, dir, spool); err != nil {
			return given, err
		}
	}
	if plan.Rules != nil {
		plan.Rules.Writable = append(plan.Rules.Writable, temporary)
		plan.Rules.Readable = append(plan.Rules.Readable, program)
		if settings != "" {
			plan.Rules.Readable = append(plan.Rules.Readable, settings)
		}
		if c.Kind == config.FPM || c.Fork {
			meeting, err := p.meetings()
			if err != nil {
				return given, err
			}
			plan.Rules.Writable = append(plan.Rules.Writable, meeting)
		}
		if prelude, err := p.prelude(c); err == nil && prelude != "" {
			plan.Rules.Readable = append(plan.Rules.Readable, prelude)
		}
	}
	if !plan.Changes() {
		return given, nil
	}
	if given.Launcher, err = Launcher(); err != nil {
		return given, err
	}
	given.Env = append(given.Env, plan.Environ())
	return given, nil
}

// temporary is the pool's temporary folder, or the one that its env names.
func (p *pool) temporary(c *config.Pool) (string, error) {
	if own := c.Env["TMPDIR"]; own != "" {
		return own, nil
	}
	return p.private.Temporary(c.Identity)
}

// prelude is the folder with the SDK that this binary carries, for scripts that bring none; "" for those that do.
func (p *pool) prelude(c *config.Pool) (string, error) {
	if php.Prelude(c) == "" {
		return "", nil
	}
	return p.private.Files("sdk-php", sdkphp.FS)
}

// systemPaths are what a program needs to run at all, where they exist. Files that others may not read stay
// unreadable: confinement only takes away.
var (
	systemPaths = []string{
		"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix/store", "/proc",
		"/run/systemd/resolve",
		// how many processors and how much memory there are
		"/sys/devices/system/cpu", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage",
	}
	systemDevices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}
)

// CanConfine asks the kernel. The tests have one that can't.
var CanConfine = privilege.CanConfine

// rules are what a confined worker may use. They are nil, with a warning, if the kernel can't confine and the pool
// does without.
func (p *pool) rules(c *config.Pool, dir string, spool *spool.Spool) (*privilege.Rules, error) {
	lacks, err := CanConfine(c.Confine.Ports())
	if err != nil {
		if c.Confine.Optional {
			p.log.Warn("the workers are not confined", "error", err)
			return nil, nil
		}
		return nil, fmt.Errorf(
			"its workers can't be confined: %w; write optional = true in [pool.%s.confine] to serve without that", err,
			c.Name)
	}
	if lacks != "" {
		p.log.Warn("confined workers can still "+lacks, "pool", c.Name)
	}
	uploads, err := spool.Folder()
	if err != nil {
		return nil, err
	}
	rules := &privilege.Rules{Readable: []string{dir}, Writable: []string{uploads}, Bind: (*[]int)(c.Confine.Bind),
		Connect: (*[]int)(c.Confine.Connect)}
	rules.Readable = append(rules.Readable, existing(systemPaths)...)
	rules.Writable = append(rules.Writable, existing(systemDevices)...)
	if c.Worker != "" && c.Kind == config.PHPFile && !filepath.IsLocal(c.Script) {
		rules.Readable = append(rules.Readable, filepath.Dir(c.Script))
	}
	rules.Readable = append(rules.Readable, inRelease(c, dir, c.Confine.Readable)...)
	rules.Writable = append(rules.Writable, inRelease(c, dir, c.Confine.Writable)...)
	return rules, nil
}

// inRelease moves paths below the pool's directory into the release that it stands for now: a worker that crashes
// comes back to the same one.
func inRelease(c *config.Pool, dir string, paths []string) []string {
	moved := slices.Clone(paths)
	for i, path := range moved {
		if inside, err := filepath.Rel(c.Directory, path); err == nil && filepath.IsLocal(inside) {
			moved[i] = filepath.Join(dir, inside)
		}
	}
	return moved
}

func existing(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		_, err := os.Stat(path)
		return err != nil
	})
}

// Launcher is this binary as the launcher of a worker. On Linux it is the very file that runs, also when another one
// has taken its place.
func Launcher() ([]string, error) {
	self := "/proc/self/exe"
	if _, err := os.Stat(self); err != nil || runtime.GOOS != "linux" {
		if self, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	return []string{self, launchName, "--"}, nil
}

// meetingFolder is a new folder in which processes that start others, php-fpm masters and templates, meet the host.
func (p *pool) meetingFolder() (string, error) {
	place, err := p.meetings()
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(place, "")
}

// meetings is the folder of those folders: one that is confined may use what comes to lie in it.
func (p *pool) meetings() (string, error) { return p.private.Passage("meet") }
