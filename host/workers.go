// host workers: the table of workers, for people and for programs.

package main

import (
	"fmt"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

func workersCommand() *command {
	return &command{
		name:    "workers",
		summary: "Show the workers alone",
		detail:  `The JSON is one list of the workers of all pools, with the names that host status --json has, and the pool's.`,
		example: "host workers\nhost workers --json | jq -r '.[] | select(.state == \"busy\") | .pid'",
		define: func(f *pflag.FlagSet) func(*terminal, []string) error {
			find := hostFlags(f)
			view := viewFlags(f)
			return func(t *terminal, args []string) error {
				return view.show(t, args, find, func(st control.Status) any { return allWorkers(st) }, func(t *terminal, st control.Status) {
					for i, p := range st.Pools {
						if i > 0 {
							fmt.Fprintln(t.out)
						}
						switch {
						case p.MinWorkers != p.MaxWorkers:
							fmt.Fprintf(t.out, "%s  %s\n", t.bold(p.Name), population(p))
						case len(st.Pools) > 1:
							fmt.Fprintln(t.out, t.bold(p.Name))
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
	Pool string `json:"pool"`
	control.Worker
}

func allWorkers(st control.Status) []pooledWorker {
	all := []pooledWorker{}
	for _, p := range st.Pools {
		for _, w := range p.Workers {
			all = append(all, pooledWorker{p.Name, w})
		}
	}
	return all
}
