// Equipment: what a generation's processes get besides their command, from whoever embeds the pool.

package workers

import (
	"os"
	"strings"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/process"
)

// Equipment is what [Settings.Equip] gives a generation. The zero value is nothing.
type Equipment struct {
	Env []string // "NAME=value", laid over the pool's environment
	// Launcher is a program and its arguments that is started in the place of each worker: it changes what it has to
	// about itself, and then executes the worker's command, which follows its own arguments, in the same process. What
	// ends it before is a failed boot, explained by what it wrote to standard error. The program is not looked up in
	// PATH.
	Launcher []string
	// Renew, if given, is called before each start of a worker: what of this may be gone by then, a temporary folder
	// for one, is to be made anew at the same place. An error is a failed boot. Calls come one at a time, and may not
	// wait.
	Renew func() error
	Owner *protocol.Owner // to whom files for the workers have to belong; nil is this program's user
}

// environment is what the generation's workers get.
func (p *Pool) environment(g *generation) []string {
	env := g.settings.Env
	if env == nil {
		env = os.Environ()
	}
	for _, pair := range g.equipment.Env {
		name, _, _ := strings.Cut(pair, "=")
		env = append(process.Without(env, name), pair)
	}
	return env
}

// launch starts a worker's process.
func (g *generation) launch(env []string) (process.Process, error) {
	if g.equipment.Renew != nil {
		if err := g.equipment.Renew(); err != nil {
			return nil, err
		}
	}
	return g.settings.launch(g, env)
}

// commandLine is what is started for a worker.
func (g *generation) commandLine() []string {
	if len(g.equipment.Launcher) == 0 {
		return g.command
	}
	line := make([]string, 0, len(g.equipment.Launcher)+len(g.command))
	return append(append(line, g.equipment.Launcher...), g.command...)
}
