// connections_report.go is what was measured of long-lived connections: its JSON, with stable names, and its tables.

package main

import (
	"fmt"
	"io"
	"slices"
)

// echoGoal is CPU per message, there and back, ÷ that of a server which answers in the process that has the socket.
const echoGoal = 1.3

// idleGoals are bytes of the host for an idle connection.
var idleGoals = map[string]float64{keepAlive: 2 << 10, websocket: 4 << 10, tcp: 3 << 10, held: 3 << 10}

type longLived struct {
	Idle       []idleCost    `json:"idle"`
	Echoing    int           `json:"echo_connections"`
	Pipelined  int           `json:"pipelined_messages"` // under way on each connection
	Audience   int           `json:"broadcast_connections"`
	HTTP       measurement   `json:"http"` // on the same host, with as many connections as the echo
	HTTPRounds []measurement `json:"http_rounds"`
	Servers    []talk        `json:"servers"`
}

// idleCost is what idle connections take of the host's memory, in bytes.
type idleCost struct {
	Protocol    string  `json:"protocol"`
	Connections int     `json:"connections"`
	Before      int64   `json:"rss_before"`
	AtOnce      int64   `json:"rss_when_connected"`
	After       int64   `json:"rss_settled"`
	Each        float64 `json:"bytes_per_connection"`
	OpenSeconds float64 `json:"open_seconds"`
}

func (c idleCost) goal() float64 { return idleGoals[c.Protocol] }

// talk is one server with long-lived connections.
type talk struct {
	Name      string `json:"name"`
	Single    series `json:"echo"`
	Pipelined series `json:"echo_pipelined"`
	Broadcast series `json:"broadcast"`
}

type series struct {
	Median exchanged   `json:"median"`
	Rounds []exchanged `json:"rounds"`
}

// exchanged is what messages cost once. A message counts when a client has it.
type exchanged struct {
	HostCPU    float64 `json:"host_cpu_us"`
	WorkersCPU float64 `json:"workers_cpu_us"`
	CPU        float64 `json:"cpu_us"`
	Rate       float64 `json:"messages_per_second"`
	P50        float64 `json:"p50_us,omitempty"`
	P99        float64 `json:"p99_us,omitempty"`
	Last       float64 `json:"last_client_us,omitempty"` // median over the broadcasts, until the last client has it
	Latest     float64 `json:"latest_client_us,omitempty"`
	Messages   int64   `json:"messages"`
}

func (t *talk) sum() {
	for _, s := range []*series{&t.Single, &t.Pipelined, &t.Broadcast} {
		of := func(pick func(exchanged) float64) float64 { return median(collect(s.Rounds, pick)) }
		s.Median = exchanged{
			HostCPU:    of(func(x exchanged) float64 { return x.HostCPU }),
			WorkersCPU: of(func(x exchanged) float64 { return x.WorkersCPU }),
			CPU:        of(func(x exchanged) float64 { return x.CPU }),
			Rate:       of(func(x exchanged) float64 { return x.Rate }),
			P50:        of(func(x exchanged) float64 { return x.P50 }),
			P99:        of(func(x exchanged) float64 { return x.P99 }),
			Last:       of(func(x exchanged) float64 { return x.Last }),
		}
		for _, x := range s.Rounds {
			s.Median.Messages += x.Messages
			s.Median.Latest = max(s.Median.Latest, x.Latest)
		}
	}
}

func (l *longLived) print(w io.Writer) {
	fmt.Fprintf(w, "\nlong-lived connections: memory of the host for an idle one: keep-alive after an answer, a "+
		"WebSocket and TCP with user, group and session after one message\n\n")
	for _, c := range l.Idle {
		fmt.Fprintf(w, "%-18s %6.1f KiB at %d connections, which came in %.1f s (goal: at most %.0f: %s)\n",
			c.Protocol, c.Each/1024, c.Connections,
			c.OpenSeconds, c.goal()/1024, verdict(c.Each <= c.goal()))
	}
	fmt.Fprintf(w, "\n%-18s %-22s %-36s %9s %8s %8s\n", "", "", "CPU µs per message", "messages", "p50", "p99")
	fmt.Fprintf(w, "%-18s %-22s %7s %8s %8s %-10s %9s\n", "", "", "host", "workers", "both", " (range)", "per s")
	h, each := l.HTTP, collect(l.HTTPRounds, func(m measurement) float64 { return m.CPU })
	known := func(us float64) string {
		if us == 0 {
			return ""
		}
		return duration(us)
	}
	row := func(name, what string, x exchanged, each []float64, last, latest float64) {
		fmt.Fprintf(w, "%-18s %-22s %7.1f %8.1f %8.1f %-10s %9.0f %8s %8s\n", name, what, x.HostCPU, x.WorkersCPU,
			x.CPU,
			fmt.Sprintf(" (%.0f–%.0f)", slices.Min(each), slices.Max(each)), x.Rate, known(last), known(latest))
	}
	row(l.Servers[0].Name, "HTTP, hello",
		exchanged{HostCPU: h.HostCPU, WorkersCPU: h.WorkersCPU, CPU: h.CPU, Rate: h.Rate}, each, h.P50, h.P99)
	for _, t := range l.Servers {
		for _, part := range []struct {
			what string
			s    series
		}{{"echo", t.Single}, {fmt.Sprintf("echo, %d at a time", l.Pipelined), t.Pipelined},
			{fmt.Sprintf("to %d at once", l.Audience), t.Broadcast}} {
			m := part.s.Median
			if len(part.s.Rounds) == 0 {
				continue
			}
			p50, p99 := m.P50, m.P99
			switch {
			case m.Last > 0:
				p50, p99 = m.Last, m.Latest
			}
			row(t.Name, part.what, m, collect(part.s.Rounds, func(x exchanged) float64 { return x.CPU }), p50, p99)
		}
	}
	ours := l.Servers[0]
	fmt.Fprintf(w, "\n%d connections echo. Of a broadcast the times are until the last client has it: the middle "+
		"one, and the latest.\n", l.Echoing)
	for _, t := range l.Servers[1:] {
		if theirs := t.Single.Median.CPU; theirs > 0 {
			ratio := ours.Single.Median.CPU / theirs
			fmt.Fprintf(w, "echo, CPU per message ÷ that of %s: %.2f (goal: at most %.1f: %s)\n", t.Name, ratio,
				echoGoal, verdict(ratio <= echoGoal))
		}
	}
}
