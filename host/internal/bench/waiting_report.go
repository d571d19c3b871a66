// waiting_report.go is what was measured of requests that wait: its JSON, with stable names, and its table.

package main

import (
	"fmt"
	"io"
	"slices"
)

const (
	waitP99Goal    = 3.2e6    // µs, of requests that wait for 3 s
	waitMemoryGoal = 12 << 10 // bytes of the workers for each of them
	fibersGoal     = 1.05     // CPU per hello with fibers ÷ without
)

type waiting struct {
	Requests int      `json:"requests_at_once"`
	Seconds  float64  `json:"each_waits_seconds"`
	Servers  []waiter `json:"servers"` // our host first, with fibers and without
}

// waiter is one server whose requests wait.
type waiter struct {
	Name        string        `json:"name"`
	Hello       measurement   `json:"hello"`
	HelloRounds []measurement `json:"hello_rounds"`
	Median      wave          `json:"median"`
	Rounds      []wave        `json:"rounds"` // none for a server that would answer one after the other
	before      memory        // without a connection
}

// wave is many requests at once that wait.
type wave struct {
	HostCPU       float64 `json:"host_cpu_us"` // per request
	WorkersCPU    float64 `json:"workers_cpu_us"`
	P50           float64 `json:"p50_us"`
	P99           float64 `json:"p99_us"`
	Last          float64 `json:"last_us"`
	HostMemory    int64   `json:"host_bytes"` // per request, its connection included
	WorkersMemory int64   `json:"workers_bytes"`
	WholePages    bool    `json:"memory_is_rss,omitempty"`
	Errors        int64   `json:"errors"`
}

// sum takes medians, but the highest memory and the sum of all errors.
func (w *waiter) sum() {
	of := func(pick func(wave) float64) float64 { return median(collect(w.Rounds, pick)) }
	w.Hello = summary(w.HelloRounds)
	w.Median = wave{
		HostCPU:    of(func(x wave) float64 { return x.HostCPU }),
		WorkersCPU: of(func(x wave) float64 { return x.WorkersCPU }),
		P50:        of(func(x wave) float64 { return x.P50 }), P99: of(func(x wave) float64 { return x.P99 }),
		Last: of(func(x wave) float64 { return x.Last }),
	}
	for _, x := range w.Rounds {
		w.Median.HostMemory = max(w.Median.HostMemory, x.HostMemory)
		w.Median.WorkersMemory = max(w.Median.WorkersMemory, x.WorkersMemory)
		w.Median.WholePages = w.Median.WholePages || x.WholePages
		w.Median.Errors += x.Errors
	}
}

func (w *waiting) print(out io.Writer) {
	fmt.Fprintf(out, "%d requests at once, each of which waits for %.0f s\n\n", w.Requests, w.Seconds)
	fmt.Fprintf(out, "%-28s %-27s %8s %8s %8s %-15s %6s %16s\n", "", "CPU µs per request", "p50", "p99", "last",
		"KiB for each", "errors", "hello: CPU µs")
	fmt.Fprintf(out, "%-28s %8s %8s %9s %8s %8s %8s %7s %7s\n", "", "host", "workers", "both", "", "", "", "host",
		"workers")
	for _, s := range w.Servers {
		hello := collect(s.HelloRounds, func(m measurement) float64 { return m.CPU })
		greeted := fmt.Sprintf("%.1f (%.1f–%.1f)", s.Hello.CPU, slices.Min(hello), slices.Max(hello))
		if len(s.Rounds) == 0 {
			fmt.Fprintf(out, "%-28s %94s\n", s.Name, greeted)
			continue
		}
		m := s.Median
		fmt.Fprintf(out, "%-28s %8.1f %8.1f %9.1f %8s %8s %8s %7.1f %7.1f %6d %16s\n", s.Name, m.HostCPU, m.WorkersCPU,
			m.HostCPU+m.WorkersCPU, duration(m.P50), duration(m.P99), duration(m.Last), float64(m.HostMemory)/1024,
			float64(m.WorkersMemory)/1024, m.Errors, greeted)
	}
	fmt.Fprintln(out)
	ours, single := w.Servers[0], w.Servers[1]
	fmt.Fprintf(out, "p99: %s (goal: at most %s: %s)\n", duration(ours.Median.P99), duration(waitP99Goal),
		verdict(ours.Median.P99 <= waitP99Goal))
	fmt.Fprintf(out, "a worker's memory for each: %.1f KiB (goal: at most %d: %s)\n",
		float64(ours.Median.WorkersMemory)/1024, waitMemoryGoal>>10,
		verdict(ours.Median.WorkersMemory <= waitMemoryGoal))
	if without := single.Hello.CPU; without > 0 {
		ratio := ours.Hello.CPU / without
		fmt.Fprintf(out, "CPU per hello with fibers ÷ without: %.2f (goal: at most %.2f: %s)\n", ratio, fibersGoal,
			verdict(ratio <= fibersGoal))
	}
}
