// code.go: which PHP code a reload would put live that is new, and whether PHP can read it. Frameworks load most of it
// with the first request that needs it, when a worker has long been ready.

package serve

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/php"
	"github.com/workerhost/workerhost/host/internal/watch"
	"github.com/workerhost/workerhost/workers/fastcgi"
)

// code has the PHP files of a pool's generations. It is safe for concurrent use.
type code struct {
	mu    sync.Mutex
	trees map[uint64]*taken // by generation: that which runs, and those prepared since; guarded by mu
}

// taken is a tree that is there once done is closed.
type taken struct {
	done chan struct{}
	tree *watch.Tree // nil: the code can't be told apart
}

// check fails if PHP can't read a file that the generation in dir would bring. What was broken already in the running
// one, or could not be checked, is no reason. binary is what the generation runs with.
func (p *pool) check(ctx context.Context, c *config.Pool, binary php.Binary, dir string,
	generation uint64) error {
	now := &taken{done: make(chan struct{})}
	before := p.code.note(p.live(), generation, now)
	folders, filter := checked(c, dir)
	take := func(ctx context.Context, before *watch.Tree) {
		defer close(now.done)
		var err error
		if now.tree, err = watch.Take(ctx, folders, filter, before); err != nil && ctx.Err() == nil {
			p.log.Warn("a reload can't check the code that has changed", "error", err)
		}
	}
	if before == nil {
		go take(p.ending, nil) // beside the boot of the first workers; it ends with the last file, or with the host
		return nil
	}
	select {
	case <-before.done:
	case <-ctx.Done():
		close(now.done)
		return ctx.Err()
	}
	if before.tree == nil {
		close(now.done)
		return nil
	}
	began := time.Now()
	if take(ctx, before.tree); now.tree == nil {
		return ctx.Err()
	}
	files := now.tree.Changed(before.tree)
	if len(files) == 0 {
		return nil
	}
	faults, unread, err := php.Lint(ctx, binary, c, files)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		p.log.Warn("the code that has changed could not be checked, and goes live unless its boot fails", "error", err)
		return nil
	}
	p.log.Info("changed code checked", "files", len(files)-unread, "broken", len(faults), "left_out", unread,
		"took", cli.HumanDuration(time.Since(began)))
	return broken(c, files, faults)
}

// live is the generation that runs; 0 if none does.
func (p *pool) live() uint64 {
	if !p.running.Load() {
		return 0
	}
	return p.workers.Status().Generation
}

// note keeps a generation's tree, which is being taken, and gives that of the one that runs. Others are forgotten.
func (k *code) note(live, generation uint64, now *taken) (before *taken) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before = k.trees[live]
	k.trees = map[uint64]*taken{generation: now}
	if before != nil {
		k.trees[live] = before
	}
	return before
}

// checked are the folders of a generation's code, and what counts there. What may not be asked for by visitors may
// come from visitors.
func checked(c *config.Pool, dir string) ([]string, watch.Filter) {
	folders := []string{projectOf(dir)}
	if c.Kind == config.PHPFile && !filepath.IsLocal(c.Script) {
		folders = append(folders, filepath.Dir(c.Script))
	}
	left := fastcgi.Deny(slices.Concat(c.Unchecked, c.Deny))
	return folders, watch.Filter{PHP: true,
		Except: func(path string) bool { return left.Matches("/" + filepath.ToSlash(path)) }}
}

// broken says what is wrong with the files; nil if nothing is.
func broken(c *config.Pool, files []string, faults map[string]string) error {
	const most = 5
	var texts []string
	for _, file := range files {
		if text, bad := faults[file]; bad && len(texts) < most {
			texts = append(texts, text)
		}
	}
	switch more := len(faults) - len(texts); {
	case len(faults) == 0:
		return nil
	case more > 0:
		texts = append(texts, "and "+cli.Counted(more, "more file"))
	}
	return fmt.Errorf("the changed code is broken:\n%s\nMend it; or name what is not to run in this PHP with "+
		"unchecked = [\"PATTERN\"] in [pool.%s]", strings.Join(texts, "\n"), c.Name)
}
