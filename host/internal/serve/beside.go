// beside.go: programs beside the workers, and how they are started: as workers of a pool would be, with its user, its
// limits and its confinement.

package serve

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/workers"
)

// beside is one program's.
type beside struct {
	host    *host
	name    string // in messages
	program *config.SideProgram
	own     *pool  // of no workers: it has the program's private folder
	pinned  string // the folder that it runs in, once it does; "" is to look anew
}

// newBeside makes one whose folder is to be closed.
func (h *host) newBeside(what, name string, program *config.SideProgram) *beside {
	return &beside{host: h, name: name, program: program,
		own: &pool{name: name, log: h.log.With(what, name), builds: h.builds}}
}

func (b *beside) close() { b.own.private.Close() }

// folder is where the program runs now: where its pool's workers do, or else where the symlinks lead.
func (b *beside) folder() (string, error) {
	stand := b.program.Stand
	if p := byName(b.host.pools(), b.program.Pool); p != nil && b.program.Directory == "" && p.running.Load() {
		if dir := p.workers.Status().Directory; dir != "" {
			return dir, nil
		}
	}
	return filepath.EvalSymlinks(stand.Directory)
}

// launch is how it is started. The folder stays the same until the program is to look anew.
func (b *beside) launch() (workers.Launch, error) {
	dir := b.pinned
	if dir == "" {
		var err error
		if dir, err = b.folder(); err != nil {
			return workers.Launch{}, fmt.Errorf("its folder has gone: %w: mend directory, or put it back", err)
		}
		b.pinned = dir
	}
	return b.host.launchIn(b.own, b.program.Stand, b.host.config(), dir, b.program.Command)
}

// launchIn is how a command is started that is run as the workers of c would be, in the folder dir. own has its
// private folder.
func (h *host) launchIn(own *pool, c *config.Pool, all *config.Config, dir string, command []string) (workers.Launch,
	error) {
	program, err := workers.FindProgram(command[0], dir)
	if err != nil {
		return workers.Launch{}, fmt.Errorf("can't be run: %w", config.UnwrapExec(err))
	}
	given, err := own.equip(c, dir, program, h.spool)
	if err != nil {
		return workers.Launch{}, err
	}
	launch := workers.Launch{Command: slices.Concat(given.Launcher, []string{program}, command[1:]), Directory: dir,
		Env: environ(all, c), Reaper: h.reaper}
	for _, pair := range append(given.Env, "PWD="+dir) {
		name, _, _ := strings.Cut(pair, "=")
		launch.Env = slices.DeleteFunc(launch.Env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		launch.Env = append(launch.Env, pair)
	}
	return launch, nil
}

// sameStand says whether two programs are started in the same way, whatever else of their pools has changed.
func sameStand(a, b *config.Pool) bool {
	return a.Directory == b.Directory && reflect.DeepEqual(a.Env, b.Env) && slices.Equal(a.InheritEnv, b.InheritEnv) &&
		reflect.DeepEqual(a.Identity, b.Identity) && a.Umask == b.Umask && reflect.DeepEqual(a.Rlimits, b.Rlimits) &&
		reflect.DeepEqual(a.Confine, b.Confine) && reflect.DeepEqual(a.PHPIni, b.PHPIni)
}
