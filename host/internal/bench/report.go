// report.go is the result: its JSON, with stable names, and its tables, which fit in 100 columns.

package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

// The goals that a run is held against.
const (
	cpuRatioGoal     = 0.7  // CPU per request, hello-php ÷ nginx + php-fpm
	addedLatencyGoal = 25.0 // µs at one connection, over net/http alone
	reloadP99Goal    = 3.0  // p99 with reloads ÷ p99 without
)

type report struct {
	Time          time.Time        `json:"time"`
	CPUs          int              `json:"cpus"`
	RoundCount    int              `json:"rounds"`
	Seconds       int              `json:"seconds"`
	Connections   int              `json:"connections"`
	Workers       int              `json:"workers"`
	NginxWorkers  int              `json:"nginx_workers"`
	FPMKeepAlive  bool             `json:"fpm_keepalive"`
	Servers       []measuredServer `json:"servers,omitempty"`
	Ratio         float64          `json:"cpu_ratio_to_nginx,omitempty"`
	OneConnection *oneConnection   `json:"one_connection,omitempty"`
	LongLived     *longLived       `json:"long_lived,omitempty"`
	Reloads       []*reloadReport  `json:"reloads,omitempty"`
}

type measuredServer struct {
	Name   string        `json:"name"`
	Median measurement   `json:"median"`
	Rounds []measurement `json:"rounds"`
}

// oneConnection is what the host adds to net/http alone; all times in µs.
type oneConnection struct {
	AddedP50  float64        `json:"added_p50_us"`
	AddedMean float64        `json:"added_mean_us"`
	Rounds    []latencyRound `json:"rounds"`
}

type latencyRound struct {
	PlainP50  float64 `json:"net_http_p50_us"`
	PlainMean float64 `json:"net_http_mean_us"`
	HostP50   float64 `json:"host_p50_us"`
	HostMean  float64 `json:"host_mean_us"`
	Errors    int64   `json:"errors"`
}

type reloadReport struct {
	Reloads     int           `json:"reloads"`
	Seconds     int           `json:"seconds"`
	Connections int           `json:"connections"`
	Quiet       measurement   `json:"quiet"`
	Reloading   measurement   `json:"reloading"`
	P99Ratio    float64       `json:"p99_ratio"`
	Rounds      []reloadRound `json:"rounds"`
}

type reloadRound struct {
	Quiet        measurement `json:"quiet"`
	Reloading    measurement `json:"reloading"`
	P99Ratio     float64     `json:"p99_ratio"`
	ReloadMillis []float64   `json:"reload_ms"`
}

func newReport(o options) report {
	return report{
		Time: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU(), RoundCount: o.rounds, Seconds: o.seconds,
		Connections: o.clients, Workers: o.workers,
		NginxWorkers: o.nginxWorkers, FPMKeepAlive: o.fpmKeepAlive,
	}
}

func (r *report) server(name string) measuredServer {
	for _, s := range r.Servers {
		if s.Name == name {
			return s
		}
	}
	return measuredServer{}
}

func (r *report) print(w io.Writer) {
	if len(r.Servers) > 0 {
		r.printServers(w)
	}
	if r.Ratio > 0 {
		fmt.Fprintf(w, "\nCPU per request, hello-php ÷ nginx + php-fpm: %.2f (goal: at most %.1f: %s)\n",
			r.Ratio, cpuRatioGoal, verdict(r.Ratio <= cpuRatioGoal))
	}
	if r.OneConnection != nil {
		r.OneConnection.print(w)
	}
	if r.LongLived != nil {
		r.LongLived.print(w)
	}
	printReloads(w, r.Reloads)
}

func (r *report) printServers(w io.Writer) {
	fmt.Fprintf(w, "%d connections, keep-alive, %d workers each, %d CPUs; medians of %d rounds of %d s\n\n",
		r.Connections, r.Workers, r.CPUs, r.RoundCount, r.Seconds)
	fmt.Fprintf(w, "%-18s %-40s %8s %8s %8s %6s %6s\n", "", "CPU µs per request", "requests", "p50", "p99", "peak",
		"errors")
	fmt.Fprintf(w, "%-18s %7s %8s %8s %-14s %8s %8s %8s %6s\n", "", "host", "workers", "both", " (range)", "per s", "",
		"", "MiB")
	wholePages := false
	for _, s := range r.Servers {
		m, each := s.Median, collect(s.Rounds, func(m measurement) float64 { return m.CPU })
		fmt.Fprintf(w, "%-18s %7.1f %8.1f %8.1f %-14s %8.0f %8s %8s %6.0f %6d\n",
			s.Name, m.HostCPU, m.WorkersCPU, m.CPU, fmt.Sprintf(" (%.1f–%.1f)", slices.Min(each), slices.Max(each)),
			m.Rate, duration(m.P50), duration(m.P99), mebibytes(m.Memory), m.errors())
		wholePages = wholePages || m.WholePages
	}
	fmt.Fprintln(w, "\nhost: or nginx, or whatever is in its place. Errors: answers of status 400 and above, and "+
		"socket errors, of all rounds.")
	for _, s := range r.Servers {
		if s.Median.Served < float64(r.Connections)/2 {
			fmt.Fprintf(w,
				"%s kept about %.0f of the %d connections in service at a time; its latencies leave out the rest.\n",
				s.Name, max(1, s.Median.Served), r.Connections)
		}
	}
	if wholePages {
		fmt.Fprintln(w, "Memory counts shared pages in each process, since the processes' shares could not be read.")
	}
}

func (o *oneConnection) print(w io.Writer) {
	middle := func(pick func(latencyRound) float64) float64 { return median(collect(o.Rounds, pick)) }
	fmt.Fprintf(w, "\n%-18s %8s %8s\n", "one connection, µs", "p50", "mean")
	fmt.Fprintf(w, "%-18s %8.1f %8.1f\n", "net/http alone",
		middle(func(r latencyRound) float64 {
			return r.PlainP50
		}), middle(func(r latencyRound) float64 { return r.PlainMean }))
	fmt.Fprintf(w, "%-18s %8.1f %8.1f\n", "host, hello-php",
		middle(func(r latencyRound) float64 {
			return r.HostP50
		}), middle(func(r latencyRound) float64 { return r.HostMean }))
	fmt.Fprintf(w, "%-18s %8.1f %8.1f (goal: under %.0f: %s)\n", "added", o.AddedP50, o.AddedMean,
		addedLatencyGoal, verdict(o.AddedP50 < addedLatencyGoal))
	var errors int64
	for _, round := range o.Rounds {
		errors += round.Errors
	}
	if errors > 0 {
		fmt.Fprintf(w, "%d errors: these latencies mean little\n", errors)
	}
}

// printReloads prints one table: two rows for each number of connections.
func printReloads(w io.Writer, all []*reloadReport) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "loads of %d s, with %d reloads and without; medians of %d rounds\n\n", all[0].Seconds,
		all[0].Reloads, len(all[0].Rounds))
	fmt.Fprintf(w, "%-12s %-16s %10s %9s %9s %9s %9s %8s %9s\n", "connections", "", "requests", "per s", "non-2xx",
		"socket", "p50", "p99", "a reload")
	for _, r := range all {
		took := []float64{}
		for _, round := range r.Rounds {
			took = append(took, round.ReloadMillis...)
		}
		for _, row := range []struct {
			name, took string
			m          measurement
		}{{"no reload", "", r.Quiet}, {"with reloads", duration(1000 * median(took)), r.Reloading}} {
			fmt.Fprintf(w, "%-12d %-16s %10d %9.0f %9d %9d %9s %8s %9s\n", r.Connections, row.name, row.m.Requests,
				row.m.Rate, row.m.NonOK, row.m.Socket,
				duration(row.m.P50), duration(row.m.P99), row.took)
		}
	}
	fmt.Fprintln(w)
	for _, r := range all {
		fmt.Fprintf(w, "%d connections: p99 with reloads ÷ without: %.2f (goal: at most %.0f: %s); errors: %d "+
			"(goal: none: %s)\n",
			r.Connections, r.P99Ratio, reloadP99Goal, verdict(r.P99Ratio <= reloadP99Goal), r.Reloading.errors(),
			verdict(r.Reloading.errors() == 0))
	}
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// duration prints µs as a person would say it.
func duration(us float64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%.0f µs", us)
	case us < 100_000:
		return fmt.Sprintf("%.2f ms", us/1000)
	case us < 1_000_000:
		return fmt.Sprintf("%.0f ms", us/1000)
	default:
		return fmt.Sprintf("%.2f s", us/1_000_000)
	}
}
