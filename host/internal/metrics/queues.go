// queues.go has the queues of tasks.

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/workerhost/workerhost/host/internal/tasks"
)

var (
	tasksWaiting = describe("tasks_waiting", "Tasks that may begin; the same on each host of a cluster.", "queue")
	tasksDelayed = describe("tasks_delayed", "Tasks that may not begin yet; likewise.", "queue")
	tasksFailed  = describe("tasks_failed", "Tasks that lie with the failed ones; likewise.", "queue")
	tasksRunning = describe("tasks_running", "Tasks that workers of this host have.", "queue")
	tasksPushed  = describe("tasks_pushed_total", "Tasks that workers of this host have pushed.", "queue")
	tasksEnds    = describe("tasks_ends_total", "Attempts that are over on this host, by how: done, released, retry, "+
		"returned or failed.", "queue", "end")
)

// collectQueue leaves out what the engine does not say in time.
func collectQueue(to chan<- prometheus.Metric, s *tasks.Status) {
	name := s.Queue.Name
	if s.Error == "" {
		gauge(to, tasksWaiting, s.Ready, name)
		gauge(to, tasksDelayed, s.Later, name)
		gauge(to, tasksFailed, s.Failed, name)
	}
	gauge(to, tasksRunning, s.Counts.Running, name)
	counter(to, tasksPushed, s.Counts.Pushed, name)
	for end, n := range s.Counts.Ends {
		counter(to, tasksEnds, n, name, end)
	}
}
