// Launching a worker: its generation's command becomes a process.

package workers

import (
	"errors"
	"fmt"
	"os"
)

// launchFunc starts a process for a worker of g; the tests have their own.
type launchFunc func(g *generation, env []string) (process, error)

// launchProcess starts the generation's command. Its errors have a remedy.
func launchProcess(g *generation, env []string) (process, error) {
	s := g.settings
	p, err := startProcess(processCommand{args: g.commandLine(), directory: g.directory, env: env, stdio: s.Stdio, reaper: s.Reaper})
	var before unprepared
	if err == nil || errors.As(err, &before) {
		return p, err
	}
	if _, gone := os.Stat(g.directory); gone != nil { // the error would name the program
		return nil, fmt.Errorf("the workers' directory has gone: %w; put it back, or reload to move on to the current release", gone)
	}
	return nil, cantStart(g.command[0], err)
}
