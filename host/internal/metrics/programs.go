// programs.go has what runs beside the workers: [service.NAME] and [[cron]].

package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/workerhost/workerhost/host/internal/service"
)

var (
	serviceUp       = describe("service_up", "1 while the service has a process, else 0.", "service")
	serviceRestarts = describe("service_restarts_total", "Processes that took the place of another one.", "service")
	serviceMemory   = describe("service_memory_bytes", "Resident memory of it and all that it has started.", "service")

	cronRunning  = describe("cron_running", "Runs of the entry that are under way.", "entry")
	cronRuns     = describe("cron_runs_total", "Runs that are over.", "entry")
	cronFailures = describe("cron_failures_total", "Those of the runs that have failed.", "entry")
	cronLeftOut  = describe("cron_left_out_total", "Runs left out, by why: overlap, the one before being under way; "+
		"missed, no host having run.", "entry", "reason")
	cronSuccess = describe("cron_success_timestamp_seconds", "End of the latest run that went well, of the last ten.",
		"entry")
)

func collectPrograms(to chan<- prometheus.Metric, of *Source) {
	for name, s := range of.Services() {
		up := 0
		if s.PID != 0 || s.State == service.Running {
			up = 1
		}
		gauge(to, serviceUp, up, name)
		counter(to, serviceRestarts, uint64(s.Restarts), name)
		gauge(to, serviceMemory, s.Memory, name)
	}
	for _, e := range of.Cron() {
		gauge(to, cronRunning, e.Running, e.Name)
		counter(to, cronRuns, e.Runs, e.Name)
		counter(to, cronFailures, e.Failed, e.Name)
		counter(to, cronLeftOut, e.Skipped, e.Name, "overlap")
		counter(to, cronLeftOut, e.Missed, e.Name, "missed")
		for _, r := range slices.Backward(e.History) {
			if r.Error == "" {
				gauge(to, cronSuccess, r.Began.Add(r.Took).Unix(), e.Name)
				break
			}
		}
	}
}
