// host workers: the table of workers, for people and for programs.

package cli

import (
	"fmt"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

// WorkersCommand is host workers.
func WorkersCommand() *Command {
	return &Command{
		Name:    "workers",
		Summary: "Show the workers alone",
		Detail: `The JSON is one list of the workers of all pools, with the names that host status --json has, and
the pool's; canary is candidate or control for those that a canary has beside.`,
		Example: "host workers\nhost workers --json | jq -r '.[] | select(.state == \"busy\") | .pid'",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := hostFlags(f)
			view := viewFlags(f)
			return func(t *Terminal, args []string) error {
				return view.show(t, args, find, func(st control.Status) any {
					all := []pooledWorker{}
					for _, p := range st.Pools {
						all = append(all, allWorkers(p)...)
					}
					return all
				}, func(t *Terminal, st control.Status) {
					for i, p := range st.Pools {
						if i > 0 {
							fmt.Fprintln(t.Out)
						}
						switch {
						case p.MinWorkers != p.MaxWorkers:
							fmt.Fprintf(t.Out, "%s  %s\n", t.Bold(p.Name), population(p))
						case len(st.Pools) > 1:
							fmt.Fprintln(t.Out, t.Bold(p.Name))
						}
						showWorkers(t, p)
					}
				})
			}
		},
	}
}

// pooledWorker is a worker with the name of its pool.
type pooledWorker struct {
	Pool   string `json:"pool"`
	Canary string `json:"canary,omitempty"` // candidate or control; "" is one of the pool's own
	control.Worker
}

// allWorkers are a pool's, and those of its canary.
func allWorkers(p control.Pool) (all []pooledWorker) {
	add := func(canary string, workers []control.Worker) {
		for _, w := range workers {
			all = append(all, pooledWorker{p.Name, canary, w})
		}
	}
	add("", p.Workers)
	if p.Canary != nil {
		add("candidate", p.Canary.Candidate.Workers)
		add("control", p.Canary.Control.Workers)
	}
	return all
}
