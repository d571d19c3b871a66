//go:build linux

// The templates of a pool.

package fork

import (
	"cmp"
	"errors"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/workers"
	"github.com/workerhost/workerhost/workers/internal/process"
)

// Supported says whether workers can be forked on this system.
const Supported = true

// Launcher implements [workers.Launcher]. Its methods are safe for concurrent use. Its fields are not to be changed
// once a pool has it.
type Launcher struct {
	// Folder makes a new folder of this process's own for each template, for sockets and FIFOs.
	Folder func() (string, error)
	Logger hclog.Logger

	mu        sync.Mutex
	templates map[*template]struct{} // that have not ended; guarded by mu
	closed    bool                   // guarded by mu
}

// Template is a template at one moment.
type Template struct {
	PID        int
	Generation uint64
	Memory     int64 // resident, in bytes, of which its workers share what they have not changed
	Booting    bool  // it has forked nothing yet
	Workers    int   // that it has forked, and that live
}

var errClosed = errors.New("the pool is stopping")

// Launch implements [workers.Launcher]: it has the generation's template fork a worker, or starts one that will.
func (l *Launcher) Launch(what workers.Launch) (workers.Process, error) {
	if err := process.AdoptOrphans(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	for t := range l.templates {
		if t.generation != what.Generation {
			continue
		}
		if w, err := t.want(); w != nil || err != nil {
			return w, err
		}
	}
	t, first, err := l.start(what)
	if err != nil {
		return nil, err
	}
	if l.templates == nil {
		l.templates = map[*template]struct{}{}
	}
	l.templates[t] = struct{}{}
	return first, nil
}

// Templates are those that live, in the order of their generations.
func (l *Launcher) Templates() []Template {
	l.mu.Lock()
	all := make([]Template, 0, len(l.templates))
	for t := range l.templates {
		if s, lives := t.status(); lives {
			all = append(all, s)
		}
	}
	l.mu.Unlock()
	for i := range all {
		all[i].Memory = process.ResidentMemory(all[i].PID)
	}
	slices.SortFunc(all, func(a, b Template) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.PID, b.PID))
	})
	return all
}

// Close ends the templates, and waits until nothing is left of them. The workers must have ended.
func (l *Launcher) Close() {
	l.mu.Lock()
	l.closed = true
	var all []*template
	for t := range l.templates {
		all = append(all, t)
	}
	l.mu.Unlock()
	for _, t := range all {
		t.dismiss()
	}
	for _, t := range all {
		<-t.gone
	}
}

func (l *Launcher) forget(t *template) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.templates, t)
}
