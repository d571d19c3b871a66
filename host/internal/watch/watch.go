// Package watch tells which files of a program have changed, for a host that puts them live by itself while somebody
// develops.
//
// What a caller may rely on:
//   - Changes that come together are told together, once nothing has changed for a moment (watch.go).
//   - Folders that appear later are watched, too, and what is in them already is told (notice.go).
//   - Where the system can't notify, files are looked at once a second instead (poll.go).
//   - What the program itself writes is left out: caches, logs, uploads (filter.go).
package watch

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	quiet    = 200 * time.Millisecond // editors and git write many files in a row
	patience = 2 * time.Second        // for those who never stop writing
	interval = time.Second            // between two looks where there are no notifications
)

// Options say what to watch.
type Options struct {
	Folders []string // each with all its folders; symlinks in the paths are followed once
	Files   []string // that count, too, wherever they are; the folders in their paths are resolved
	Filter  Filter
	Poll    bool   // look at the files once a second, although the system may notify
	Ready   func() // if not nil, called once nothing can be missed any more
	Logger  hclog.Logger
}

// Run calls changed with the files that were written, made, renamed or removed, sorted, until ctx ends. Calls come one
// at a time; what changes during one is told by the next.
func Run(ctx context.Context, o Options, changed func(files []string)) {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Ready == nil {
		o.Ready = func() {}
	}
	roots := rootsOf(o.Folders)
	o.Files = slices.Clone(o.Files)
	for i, file := range o.Files {
		o.Files[i] = Resolve(file)
	}
	found := make(chan string)
	batches := make(chan []string)
	told := make(chan struct{})
	looking := make(chan struct{})
	go func() { // ends with ctx
		defer close(looking)
		look(ctx, o, roots, found)
	}()
	go func() { // ends when gather does, after the call under way
		defer close(told)
		for files := range batches {
			changed(files)
		}
	}()
	gather(ctx, found, batches)
	close(batches)
	<-told
	<-looking
}

// look finds changes, in the best way that works here.
func look(ctx context.Context, o Options, roots []string, found chan<- string) {
	if !o.Poll {
		remote := slices.IndexFunc(roots, isRemote)
		if remote < 0 {
			err := notice(ctx, o, roots, found)
			if err == nil {
				return
			}
			o.Logger.Warn("the system can't notify about changes, so files are looked at once a second; on Linux, "+
				"raise fs.inotify.max_user_watches and fs.inotify.max_user_instances", "error", err)
		} else {
			o.Logger.Info("files are looked at once a second, since changes on a network mount may go unnoticed",
				"folder", roots[remote])
		}
	}
	poll(ctx, o, roots, found)
}

// gather collects what is found until it is quiet, and passes it on when the receiver is free.
func gather(ctx context.Context, found <-chan string, batches chan<- []string) {
	pending := map[string]bool{}
	var first time.Time
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	var out chan<- []string // batches, once it is quiet
	var batch []string
	for {
		select {
		case file := <-found:
			if len(pending) == 0 {
				first = time.Now()
			}
			pending[file] = true
			out = nil
			timer.Reset(max(0, min(quiet, patience-time.Since(first))))
		case <-timer.C:
			batch = slices.Sorted(maps.Keys(pending))
			out = batches
		case out <- batch:
			clear(pending)
			out = nil
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
