// build.go builds Go workers, one binary for each generation, so that what an older generation runs stays as it was.

package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
)

// builder keeps the binaries of Go workers in a private folder. It is safe for concurrent use.
type builder struct {
	mu       sync.Mutex
	folder   string // made when it is first needed; guarded by mu
	count    int    // guarded by mu
	binaries map[string][]binary
}

// binary is what one generation of a pool runs.
type binary struct {
	generation uint64
	path       string
}

func newBuilder() *builder { return &builder{binaries: map[string][]binary{}} }

// build compiles the pool's package as it is in dir, the resolved directory of the generation. The error has all that
// the compiler said. unstamped is why the binary does not have the version of its checkout; "" is that it does, or
// that there is none.
func (b *builder) build(ctx context.Context, p *config.Pool, dir string, generation uint64) (path, unstamped string,
	err error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", "", errors.New("building the worker needs Go, and there is no `go` in $PATH: install it " +
			"(https://go.dev/dl), or build the worker elsewhere and give the program as command = [\"PROGRAM\"]")
	}
	source := p.Worker
	if inside, err := filepath.Rel(p.Directory, p.Worker); err == nil && filepath.IsLocal(inside) {
		source = filepath.Join(dir, inside)
	}
	if path, err = b.place(p.Name, generation); err != nil {
		return "", "", err
	}
	out, err := compile(ctx, p, source, path)
	// what go says where git refuses, as it does in a checkout that belongs to another user
	if err != nil && strings.Contains(out, "-buildvcs=false") {
		unstamped = out
		out, err = compile(ctx, p, source, path, "-buildvcs=false")
	}
	if err != nil {
		os.Remove(path)
		if ctx.Err() != nil {
			return "", "", ctx.Err()
		}
		return "", "", fmt.Errorf("the worker in %s does not build (%w):\n%s", source, err, out)
	}
	if p.Identity != nil {
		if err := lend(path, p.Identity.GID); err != nil {
			return "", "", fmt.Errorf("the worker can't be given to %s: %w", p.Identity, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.binaries[p.Name] = append(b.binaries[p.Name], binary{generation, path})
	return path, unstamped, nil
}

// compile runs go build in source, and gives what it said.
func compile(ctx context.Context, p *config.Pool, source, path string, flags ...string) (out string, err error) {
	args := append([]string{"build", "-o", path}, flags...)
	if len(p.BuildTags) > 0 {
		args = append(args, "-tags", strings.Join(p.BuildTags, ","))
	}
	if p.BuildLDFlags != "" {
		args = append(args, "-ldflags", p.BuildLDFlags)
	}
	cmd := exec.CommandContext(ctx, "go", append(append(args, p.BuildFlags...), ".")...)
	cmd.Dir = source
	cmd.Env = append(p.BuildEnviron(os.Environ()), "PWD="+source)
	if _, err := os.UserCacheDir(); err != nil && os.Getenv("GOCACHE") == "" {
		cmd.Env = append(cmd.Env, "GOCACHE="+filepath.Join(filepath.Dir(path), "cache")) // a service may have no $HOME
	}
	cmd.WaitDelay = 5 * time.Second
	said, err := cmd.CombinedOutput()
	return strings.TrimRight(string(said), "\n"), err
}

// lend lets a group execute a binary that stays ours.
func lend(path string, gid int) error {
	if err := os.Lchown(path, -1, gid); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o750); err != nil {
		return err
	}
	return os.Chmod(filepath.Dir(path), 0o711) // to pass through, not to look around
}

// place names a new binary. A generation's number comes again after a reload that failed, so the number alone is not
// enough.
func (b *builder) place(pool string, generation uint64) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.folder == "" {
		folder, err := os.MkdirTemp("", "host-workers-") // mode 0700
		if err != nil {
			return "", fmt.Errorf("no folder for the worker's binary: %w", err)
		}
		b.folder = folder
	}
	b.count++
	name := fmt.Sprintf("worker-%s-%d-%d", safeName(pool), generation, b.count)
	if os.PathSeparator == '\\' {
		name += ".exe"
	}
	return filepath.Join(b.folder, name), nil
}

// safeName keeps a pool's name from leading elsewhere.
func safeName(pool string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, pool)
}

// keepOnly removes the binaries of all generations but those, and the ones after the last of them.
func (b *builder) keepOnly(pool string, generations []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.binaries[pool] = slices.DeleteFunc(b.binaries[pool], func(old binary) bool {
		gone := old.generation < slices.Max(generations) && !slices.Contains(generations, old.generation)
		if gone {
			os.Remove(old.path) // what can't be removed goes with the folder
		}
		return gone
	})
}

// completed removes the binaries that nothing runs any more: every worker of the pool is on the generation now, or on
// a later one.
func (b *builder) completed(pool string, generation uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.binaries[pool]
	kept := all[:0]
	for i, old := range all {
		replaced := i+1 < len(all) && all[i+1].generation <= generation
		if old.generation < generation || replaced {
			os.Remove(old.path) // what can't be removed goes with the folder
			continue
		}
		kept = append(kept, old)
	}
	b.binaries[pool] = kept
}

// close removes everything.
func (b *builder) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.folder != "" {
		os.RemoveAll(b.folder)
	}
}
