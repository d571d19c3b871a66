// Launching a worker: its generation's command becomes a process.

package workers

import (
	"errors"
	"fmt"
	"os"

	"github.com/workerhost/workerhost/workers/internal/process"
)

// launchFunc starts a process for a worker of g; the tests have their own.
type launchFunc func(g *generation, env []string) (process.Process, error)

// launchProcess starts the generation's command. Its errors have a remedy.
func launchProcess(g *generation, env []string) (process.Process, error) {
	s := g.settings
	p, err := process.Start(process.Command{Args: g.commandLine(), Directory: g.directory, Env: env, Stdio: s.Stdio,
		Reaper: s.Reaper})
	var before process.Unprepared
	if err == nil || errors.As(err, &before) {
		return p, err
	}
	if _, gone := os.Stat(g.directory); gone != nil { // the error would name the program
		return nil, fmt.Errorf(
			"the workers' directory has gone: %w; put it back, or reload to move on to the current release", gone)
	}
	return nil, cantStart(g.command[0], err)
}
