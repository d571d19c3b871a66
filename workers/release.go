// A generation: a counter, and the release that all of its workers run.

package workers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// generation is fixed when it begins: workers that crash come back with the same release until the next reload.
type generation struct {
	number    uint64
	directory string // symlinks resolved
	pinned    bool   // the directory was reached by a symlink, so that a deploy leaves it as it is
	command   []string
	fileRoots []string
	equipment Equipment
	settings  *Settings
	trial     bool          // of a worker that serves nobody
	checked   bool          // its first worker has to answer the settings' Checks
	counts    counts        // of its workers
	blocked   places        // where its workers were
	booted    chan struct{} // closed when one of them was admitted for the first time; by noteBooted
	large     bool          // it has been told that its workers are larger than they may become; owned by run
	staged    *worker       // READY ahead of a roll that waits at its gate; owned by run
}

func newGeneration(ctx context.Context, s *Settings, number uint64) (*generation, error) {
	dir, err := filepath.Abs(s.Directory)
	if err != nil {
		return nil, err
	}
	resolved, err := filepath.EvalSymlinks(cmp.Or(s.Release, dir))
	if err != nil {
		return nil, fmt.Errorf("pool %s: the directory %s can't be resolved: %w; create what is missing, or point "+
			"`directory`, or the symlink, elsewhere", s.Name, dir, err)
	}
	if info, err := os.Stat(resolved); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("pool %s: %s is not a folder; point `directory` at one", s.Name, resolved)
	}
	g := &generation{number: number, directory: resolved, pinned: resolved != dir, command: s.Command,
		fileRoots: s.FileRoots, settings: s, booted: make(chan struct{})}
	g.counts.routes = newRoutes(s.Measure)
	if s.Prepare != nil {
		if g.command, err = s.Prepare(ctx, resolved, number); err != nil {
			return nil, fmt.Errorf("pool %s: %w", s.Name, err)
		}
	}
	if len(g.command) > 0 || s.Launcher == nil {
		if g.command, err = findProgram(g.command, resolved); err != nil {
			return nil, fmt.Errorf("pool %s: %w", s.Name, err)
		}
	}
	if s.Equip != nil {
		if g.equipment, err = s.Equip(resolved, g.command); err != nil {
			return nil, fmt.Errorf("pool %s: %w", s.Name, err)
		}
	}
	if g.fileRoots == nil {
		g.fileRoots = []string{resolved}
	}
	return g, nil
}

// findProgram makes command[0] a path, so that a missing program is an error now and not in each slot.
func findProgram(command []string, dir string) ([]string, error) {
	if len(command) == 0 {
		return nil, errors.New("there is no command to run")
	}
	program := command[0]
	path, err := FindProgram(program, dir)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("command not found: %s is not in PATH; install it, or give its path", command[0])
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("command not found: there is no %s; correct the path, or install it",
			within(dir, program))
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s can't be executed; try chmod +x", within(dir, program))
	case err != nil:
		return nil, fmt.Errorf("command %s: %w", command[0], err)
	}
	return append([]string{path}, command[1:]...), nil
}

// FindProgram gives the path of a program. A relative path starts from dir, and a name alone is looked for in $PATH;
// on Windows, as in its shells, first in dir. Endings that Windows adds may be left out there. Errors are those of
// [exec.LookPath].
func FindProgram(program, dir string) (path string, err error) {
	return findIn(dir, program, runtime.GOOS == "windows")
}

func findIn(dir, program string, dirFirst bool) (path string, err error) {
	if filepath.Base(program) != program {
		return exec.LookPath(within(dir, program))
	}
	if dirFirst {
		if path, err := exec.LookPath(within(dir, program)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(program)
}

// within makes a relative path start from dir.
func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// canGoBack says why old can't be run again after g; nil if it can, since g's code lies at another place than old's,
// which is still there.
func (g *generation) canGoBack(old *generation) error {
	if g.directory == old.directory {
		return fmt.Errorf("its code is edited in place, so %s holds no more what generation %d was", old.directory,
			old.number)
	}
	if info, err := os.Stat(old.directory); err != nil || !info.IsDir() {
		return fmt.Errorf("%s, the folder of generation %d, is gone", old.directory, old.number)
	}
	return nil
}
