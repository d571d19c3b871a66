// Launching a worker: its generation's command becomes a process, and its link.

package workers

import (
	"errors"
	"fmt"
	"os"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/process"
)

// Launch is a worker to be started.
type Launch struct {
	Command   []string // the path of the program, or of the equipment's launcher, first; empty if the pool has none
	Directory string   // of the generation, with symlinks resolved
	Env       []string
	Owner     *protocol.Owner // whom its files have to belong to; nil is this program's user
	Reaper    *Reaper         // has to be told of each process group; nil is nobody
	// Generation is the number of the worker's generation. No other one of the pool has it, a trial's included.
	Generation uint64
	// Output is where a program prints that Start starts; nil is to its Stderr.
	Output *os.File
}

// A Launcher starts workers that are no programs which speak the protocol: it brings the worker's end of the link
// itself. It is called for one worker at a time and pool, by several pools at once, and must not wait.
type Launcher interface {
	// Launch starts one. An error is a failed boot, for a person to read.
	Launch(Launch) (Process, error)
}

// Process is what a pool needs of a worker that was started; see [Launcher].
type Process = process.Process

// Program is a Process that was started as a program, and can be asked to end in good order by SIGQUIT.
type Program = process.Program

// Start starts the command, with more arguments behind it, for a Launcher: as a process whose Frames are not to be
// used, in a group of its own, with its output for the log.
func (l Launch) Start(arguments ...string) (Program, error) {
	args := append(l.Command[:len(l.Command):len(l.Command)], arguments...)
	p, err := process.StartLinkless(process.Command{Args: args, Directory: l.Directory, Env: l.Env, Reaper: l.Reaper,
		Output: l.Output})
	if err != nil {
		return nil, explain(args[0], l.Directory, err)
	}
	return p, nil
}

// launchFunc starts a process for a worker of g; the tests have their own.
type launchFunc func(g *generation, env []string) (process.Process, error)

// launchProcess starts the generation's command. Its errors have a remedy.
func launchProcess(g *generation, env []string) (process.Process, error) {
	s := g.settings
	if s.Launcher != nil {
		return s.Launcher.Launch(Launch{Command: g.commandLine(), Directory: g.directory, Env: env,
			Owner: g.equipment.Owner, Reaper: s.Reaper, Generation: g.number})
	}
	p, err := process.Start(process.Command{
		Args: g.commandLine(), Directory: g.directory, Env: env, Stdio: s.Stdio, Reaper: s.Reaper,
	})
	if err != nil {
		return nil, explain(g.command[0], g.directory, err)
	}
	return p, nil
}

// explain says why a program in a directory can't be started.
func explain(program, directory string, err error) error {
	var before process.Unprepared
	if errors.As(err, &before) {
		return err
	}
	if _, gone := os.Stat(directory); gone != nil { // the error would name the program
		return fmt.Errorf("the workers' directory has gone: %w; put it back, or reload to move on to the current "+
			"release", gone)
	}
	return cantStart(program, err)
}
