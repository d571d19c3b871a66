// watch.go is `host serve --watch`: it follows the files of a pool, and reloads it when they change.

package serve

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/watch"
)

// watchMode says how files are followed.
type watchMode string

const (
	watchOff  watchMode = ""
	watchAuto watchMode = "auto" // as the system notifies, or by looking where it can't
	watchPoll watchMode = "poll" // by looking
)

// watchFlag declares --watch. What it returns reads it.
func watchFlag(f *pflag.FlagSet) func() (watchMode, error) {
	given := f.String("watch", "", "reload a pool when its files change, and show errors as --dev does; "+
		"`MODE` poll looks at them once a second, for folders whose changes go unnoticed")
	f.Lookup("watch").NoOptDefVal = string(watchAuto)
	return func() (watchMode, error) {
		switch mode := watchMode(*given); mode {
		case watchOff, watchAuto, watchPoll:
			return mode, nil
		}
		return watchOff, cli.Misused("--watch: expected --watch, --watch=auto or --watch=poll, found %q", *given)
	}
}

// follow reloads the pool whenever its files change, until the host stops or the pool is gone.
func (h *host) follow(p *pool) error {
	for h.stopping.Err() == nil && byName(h.pools(), p.name) == p {
		h.followFolders(p)
	}
	return nil
}

// followFolders does so until host.toml gives the pool other folders.
func (h *host) followFolders(p *pool) {
	ctx, cancel := context.WithCancel(h.stopping)
	defer cancel()
	folders, filter := watched(p.config())
	log := h.log.With("pool", p.name)
	var own []string
	if h.file != "" {
		own = []string{h.file}
	}
	o := watch.Options{Folders: folders, Files: own, Filter: filter, Poll: h.watch == watchPoll, Logger: log}
	o.Ready = func() { log.Info("watching files", "folders", strings.Join(folders, ", ")) }
	watch.Run(ctx, o, func(files []string) {
		log.Info("files changed", "files", listed(folders, files))
		h.reloadChanged(p, h.file != "" && slices.Contains(files, watch.Resolve(h.file)))
		now, _ := watched(p.config())
		if byName(h.pools(), p.name) != p || !slices.Equal(now, folders) {
			cancel()
		}
	})
}

// reloadChanged reloads the pool, or everything if host.toml has changed, and keeps what was wrong. It is logged how
// it goes.
func (h *host) reloadChanged(p *pool, everything bool) {
	// whoever develops is alone, so there is no canary
	ask := control.Reload{By: control.By{How: "watch"}, Canary: &control.CanaryAsk{Off: true}}
	if !everything {
		ask.Pools = []string{p.name}
	}
	account, err := h.Reload(ask)
	if err != nil {
		return // the host is stopping, or the pool is gone
	}
	account.Follow(h.stopping, func(e control.Event) error {
		if e.Kind == control.Failed && e.Pool == p.name || e.Kind == control.ConfigFailed {
			p.fault.Store(&e.Error)
		}
		return nil
	})
}

// lastFault says why the newest code does not run; "" if it does.
func (p *pool) lastFault() string {
	if fault := p.fault.Load(); fault != nil {
		return *fault
	}
	return ""
}

// watched says which folders a pool's code is in, and which files there count.
func watched(p *config.Pool) ([]string, watch.Filter) {
	switch p.Kind {
	case config.PHPFile:
		project, folder := projectOf(p.Directory), filepath.Dir(p.Worker)
		if folder == p.Directory {
			return []string{project}, watch.Filter{}
		}
		return []string{project, folder}, watch.Filter{}
	case config.GoPackage:
		return []string{moduleOf(p.Worker)}, watch.Filter{Go: true}
	case config.FPM, config.FastCGI:
		return []string{projectOf(p.Root)}, watch.Filter{}
	}
	var names []string // a program that is built anew
	for _, word := range p.Command {
		if filepath.Ext(word) == "" && strings.ContainsRune(word, os.PathSeparator) {
			names = append(names, filepath.Base(word))
		}
	}
	return []string{p.Directory}, watch.Filter{Names: names}
}

// moduleOf is the folder of the Go module that a package belongs to, whose other packages it may use.
func moduleOf(folder string) string {
	for dir := folder; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return folder
		}
	}
}

// listed names a few files, as a person would who stands in the folder.
func listed(folders, files []string) string {
	const few = 5
	var names []string
	for _, file := range files[:min(few, len(files))] {
		for _, folder := range folders {
			if resolved, err := filepath.EvalSymlinks(folder); err == nil {
				if inside, err := filepath.Rel(resolved, file); err == nil && filepath.IsLocal(inside) {
					file = inside
					break
				}
			}
		}
		names = append(names, file)
	}
	text := strings.Join(names, ", ")
	if len(files) > few {
		text += fmt.Sprintf(" and %d more", len(files)-few)
	}
	return text
}
