// site.go: pools of unmodified PHP, whose workers are php-fpm, and what the listeners do for them.

package serve

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/workers"
	"github.com/workerhost/workerhost/workers/fastcgi"
)

// beSite turns the settings of a pool into those of a site: its one worker is a php-fpm, or a server that is none of
// ours, with as many requests at once as the pool has workers.
func (p *pool) beSite(s *workers.Settings, c *config.Pool) {
	launcher := &fastcgi.Launcher{
		Name: "php-fpm", Software: "workerhost/" + cli.Version(), Index: c.Index, Deny: c.Deny, Retry: s.Retry,
		FPM:    fastcgi.FPM{Children: c.Workers, MaxRequests: c.MaxRequests, Patience: c.DrainTimeout},
		Folder: p.meetingFolder,
		Tells:  p.tells,
	}
	if c.SlowTrace { // php-fpm looks by itself
		launcher.FPM.Slow, s.SlowTrace = c.SlowRequest, false
	}
	s.Untraced = "PHP can't be asked from outside; slow_request with slow_trace = true has php-fpm log where it stands"
	s.Launcher, s.Scarce, s.Workers, s.Unsized, s.MaxWorkers, s.MaxRequests = launcher, true, 1, false, 0, 0
	if c.Kind == config.FastCGI {
		launcher.Name, launcher.Address = "FastCGI at "+c.FastCGI, fastcgi.AddressOf(c.FastCGI)
		s.Prepare, s.Equip = nil, nil
		s.Untraced = "the FastCGI server may know; its status page and its slow log are its own"
		return
	}
	// Code that runs on after its response is nothing that the pool waits for in its drain; php-fpm itself does.
	s.StopTimeout += c.DrainTimeout
}

// tells says whether the php-fpm of a command, which prepare has looked at, tells of its children. It is safe for
// concurrent use.
func (p *pool) tells(command []string) bool {
	return slices.ContainsFunc(command, func(path string) bool {
		tells, _ := p.fpms.Load(path)
		return tells == true
	})
}

// isSite says whether the pool is of unmodified PHP.
func isSite(c *config.Pool) bool { return c.Kind == config.FPM || c.Kind == config.FastCGI }

// projectOf is the folder of the code that a front controller in folder belongs to: the one above if a project of
// Composer's is there, since frameworks keep all else outside the public folder; else folder itself.
func projectOf(folder string) string {
	for _, dir := range []string{folder, filepath.Dir(folder)} {
		if _, err := os.Stat(filepath.Join(dir, "composer.json")); err == nil {
			return dir
		}
	}
	return folder
}

// publicTerms are the folder that a listener of the pool serves files from, and which of them it does not. Its links
// are followed out of it for a site, and where file_roots says whereto.
func publicTerms(t *web.Terms, c *config.Config, p *config.Pool) {
	t.Public, t.Linked = cmp.Or(p.Root, c.HTTP.Public), p.Root != "" || p.FileRoots != nil
	if len(p.Deny) > 0 {
		t.Denied = fastcgi.Deny(p.Deny).Matches
	}
}
