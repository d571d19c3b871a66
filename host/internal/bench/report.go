// report.go is the result: its JSON, with stable names, and its tables.

package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

const reloadP99Goal = 3.0 // p99 with reloads ÷ p99 without

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
	Browser       []measuredServer `json:"browser,omitempty"` // with a browser's header, each URL another one
	OneConnection *oneConnection   `json:"one_connection,omitempty"`
	Goals         []goal           `json:"goals,omitempty"`
	LongLived     *longLived       `json:"long_lived,omitempty"`
	Reloads       []*reloadReport  `json:"reloads,omitempty"`
	Takeovers     []takeover       `json:"takeovers,omitempty"`
	Streams       []streamed       `json:"streams,omitempty"`
	Waiting       *waiting         `json:"waiting,omitempty"`
}

type measuredServer struct {
	Name   string        `json:"name"`
	Ratio  float64       `json:"hello_php_cpu_ratio,omitempty"` // CPU per request, host with hello-php ÷ this one
	Median measurement   `json:"median"`
	Rounds []measurement `json:"rounds"`
}

// oneConnection is what the servers do for one client, which asks when it has its answer.
type oneConnection struct {
	Pipe       float64          `json:"pipe_p50_us"` // a bare round trip to a PHP process and back
	PipeRounds []float64        `json:"pipe_rounds_us"`
	Servers    []measuredServer `json:"servers"`
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

func (r *report) print(w io.Writer) {
	if len(r.Servers) > 0 {
		r.printServers(w, fmt.Sprintf("%d connections, keep-alive", r.Connections), r.Servers, r.Connections)
	}
	if len(r.Browser) > 0 {
		r.printServers(w, "the same with a browser's header and another URL each time", r.Browser, r.Connections)
	}
	if o := r.OneConnection; o != nil {
		r.printServers(w, "one connection, one request at a time", o.Servers, 1)
		fmt.Fprintf(w, "a bare round trip to a PHP process by pipes takes %.1f µs (p50)\n\n", o.Pipe)
	}
	for _, g := range r.Goals {
		fmt.Fprintf(w, "%s: %.2f (goal: at most %.2f: %s)\n", g.What, g.Value, g.Most, verdict(g.Value <= g.Most))
	}
	if r.LongLived != nil {
		r.LongLived.print(w)
	}
	if r.Waiting != nil {
		r.Waiting.print(w)
	}
	printReloads(w, r.Reloads)
	printTakeovers(w, r.Takeovers)
	printStreams(w, r.Streams)
}

// printServers prints a table. connections is how many the load had.
func (r *report) printServers(w io.Writer, title string, servers []measuredServer, connections int) {
	fmt.Fprintf(w, "%s; %d workers each, %d CPUs; medians of %d rounds of %d s\n\n", title, r.Workers, r.CPUs,
		r.RoundCount, r.Seconds)
	fmt.Fprintf(w, "%-34s %-40s %6s %8s %8s %8s %6s %6s\n", "", "CPU µs per request", "host", "requests", "p50", "p99",
		"peak", "errors")
	fmt.Fprintf(w, "%-34s %7s %8s %8s %-14s %6s %8s %8s %8s %6s\n", "", "host", "workers", "both", " (range)", "÷ it",
		"per s", "", "", "MiB")
	wholePages := false
	for _, s := range servers {
		m, each := s.Median, collect(s.Rounds, func(m measurement) float64 { return m.CPU })
		ratio := ""
		if s.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f", s.Ratio)
		}
		fmt.Fprintf(w, "%-34s %7.1f %8.1f %8.1f %-14s %6s %8.0f %8s %8s %6.0f %6d\n",
			s.Name, m.HostCPU, m.WorkersCPU, m.CPU, fmt.Sprintf(" (%.1f–%.1f)", slices.Min(each), slices.Max(each)),
			ratio, m.Rate, duration(m.P50), duration(m.P99), mebibytes(m.Memory), m.errors())
		wholePages = wholePages || m.WholePages
	}
	fmt.Fprintln(w, "\nhost: or nginx, or whatever is in its place. host ÷ it: CPU of the host with hello-php. "+
		"Errors: answers of\nstatus 400 and above, and socket errors, of all rounds.")
	for _, s := range servers {
		if s.Median.Served < float64(connections)/2 {
			fmt.Fprintf(w,
				"%s kept about %.0f of the %d connections in service at a time; its latencies leave out the rest.\n",
				s.Name, max(1, s.Median.Served), connections)
		}
	}
	if wholePages {
		fmt.Fprintln(w, "Memory counts shared pages in each process, since the processes' shares could not be read.")
	}
	fmt.Fprintln(w)
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
	case us < 100:
		return fmt.Sprintf("%.1f µs", us)
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
