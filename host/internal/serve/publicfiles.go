// publicfiles.go: which folders the files of a pool's releases come from. A public folder below `directory` belongs to
// the release: it is that of the code that serves, whatever the symlink leads to by now.

package serve

import (
	"path/filepath"
	"time"

	"github.com/workerhost/workerhost/host/internal/web"
)

// releases are the folders of a pool's code. They never change.
type releases struct{ live, before string }

// filesOf is what stands for a public folder of the pool.
func (p *pool) filesOf(public string) func() web.Releases {
	return func() (of web.Releases) {
		runs := p.releases.Load()
		below, err := filepath.Rel(p.config().Directory, public)
		if runs == nil || err != nil || !filepath.IsLocal(below) {
			return of // it is of no release
		}
		of.Live = filepath.Join(runs.live, below)
		if runs.before != "" {
			of.Others = append(of.Others, filepath.Join(runs.before, below))
		}
		if c := p.trying.Load(); c != nil {
			of.Candidate = filepath.Join(c.candidate.workers.Status().Directory, below)
			of.Tries = c.trial.Tries
		}
		return of
	}
}

// noteReleases notes which code serves, when that has changed, and has the files of the one before be found for as
// long as its workers would be parked. It is called by a pass.
func (p *pool) noteReleases(h *host) {
	before, live := p.releases.Load(), p.workers.Status().Directory
	if before == nil || before.live == live {
		return
	}
	now, park := &releases{live: live}, p.config().Park
	if park > 0 {
		now.before = before.live
		time.AfterFunc(park, func() { // a later reload has noted others
			if p.releases.CompareAndSwap(now, &releases{live: now.live}) {
				h.layFiles()
			}
		})
	}
	p.releases.Store(now)
}

// layFiles has the listeners open those public folders of releases that count now.
func (h *host) layFiles() {
	for _, l := range h.listeners() {
		if err := l.server.ReloadReleases(); err != nil {
			h.log.Error("the listener keeps the public folder that it had", "listener", l.server.Address(),
				"error", err)
		}
	}
}
