// tasks.go: work that is no request, and that waits in the engine until a worker has done it.

package serve

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/tasks"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers"
)

// configureTasks has each realm have the queues that the configuration has for its pools. None is served yet.
func (h *host) configureTasks(made *setup) {
	queues := map[*realm][]tasks.Queue{}
	for _, q := range made.config.Queues {
		p := byName(made.pools, q.Pool)
		if p == nil {
			continue
		}
		queues[p.realm] = append(queues[p.realm], tasks.Queue{Name: q.Name, Pool: q.Pool, Backend: p.backend(),
			Concurrency: q.Concurrency, Attempts: q.Attempts, Backoff: q.Pauses, Timeout: q.Timeout,
			KeepFailed: q.KeepFailed, Rate: float64(q.Rate)})
	}
	for name, r := range made.realms {
		r.tasks.Configure(name, queues[r])
	}
}

// beginTasks has the queues be served. The caller holds mu.
func (h *host) beginTasks() {
	for _, r := range h.setup.Load().realms {
		r.tasks.Start()
	}
}

// leaveTasks has no task begin any more.
func (h *host) leaveTasks() {
	for _, r := range h.setup.Load().realms {
		r.tasks.Leave()
	}
}

// tasksTime is how long the engine may take to hear how the last tasks have ended.
const tasksTime = 10 * time.Second

// closeTasks waits until it has, after the pools have stopped.
func (h *host) closeTasks() {
	var all sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), tasksTime)
	defer cancel()
	for _, r := range h.setup.Load().realms {
		all.Go(func() { r.tasks.Close(ctx) })
	}
	h.bounded("the tasks", tasksTime, all.Wait)
}

// mayPush has the workers of a generation know that there are queues.
func mayPush(s *workers.Settings, c *config.Config, p *config.Pool) {
	if slices.ContainsFunc(c.Queues, func(q *config.Queue) bool {
		of := c.Pool(q.Pool)
		return of != nil && of.InRealm() == p.InRealm()
	}) {
		s.Features = append(s.Features, protocol.FeatureTasks)
	}
}

// noteTask logs an attempt that is over.
func noteTask(log hclog.Logger) func(*tasks.Record) {
	return func(r *tasks.Record) {
		level, args := hclog.Info, []any{"queue", r.Queue, "id", r.ID, "attempt", r.Attempt, "end", r.End,
			"waited", r.Waited.Round(time.Millisecond).String(), "took", r.Took.Round(10 * time.Microsecond).String(),
			"bytes", r.Bytes, "pool", r.Pool, "worker", r.Slot, "generation", r.Generation}
		if r.Pause > 0 {
			args = append(args, "again_in", r.Pause.String())
		}
		if r.Reason != "" {
			args = append(args, "error", r.Reason)
		}
		switch r.End {
		case "failed":
			level = hclog.Error
			if r.Trace != "" {
				args = append(args, "trace", r.Trace)
			}
		case "retry":
			level = hclog.Warn
		}
		log.Log(level, "task", args...)
	}
}

// planQueues finds which queues come, change and go.
func (p *plan) planQueues(now *config.Config) {
	tell := func(q *config.Queue, what string) {
		p.log = append(p.log, change{table: "queue " + q.Name, live: true}.whole(what))
	}
	for _, q := range p.config.Queues {
		i := slices.IndexFunc(now.Queues, func(old *config.Queue) bool { return old.Name == q.Name })
		if i < 0 {
			tell(q, "added")
		} else if len(differences(change{}, *now.Queues[i], *q)) > 0 {
			tell(q, "changed")
		}
	}
	for _, old := range now.Queues {
		if !slices.ContainsFunc(p.config.Queues, func(q *config.Queue) bool { return q.Name == old.Name }) {
			tell(old, "removed")
		}
	}
}
