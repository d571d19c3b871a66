// wrk.go runs wrk, the load generator, and reads its report.

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// load says how wrk is to be run.
type load struct {
	connections int
	duration    time.Duration
	script      string // path of wrk's; "" for none
}

// warm is the load that precedes it.
func (l load) warm() load {
	l.duration = warmUp
	return l
}

// loadResult is what wrk saw. Latencies are the clients': they include the time that wrk itself waits for a CPU.
type loadResult struct {
	Requests          int64
	Duration          time.Duration
	RequestsPerSecond float64
	// of the answers that came; a request still unanswered at the end is in none of them
	Mean, P50, P99 time.Duration
	NonOK          int64 // answers of status 400 and above
	SocketErrors   int64 // failed connects, reads and writes, and time-outs
}

// perRequest is the mean time of one request on one connection: at one connection, the mean latency
// with a finer grain than wrk prints.
func (r loadResult) perRequest() time.Duration {
	if r.Requests == 0 {
		return 0
	}
	return r.Duration / time.Duration(r.Requests)
}

func (r loadResult) errors() int64 { return r.NonOK + r.SocketErrors }

// runWrk loads url until l.duration has passed or ctx ends.
func runWrk(ctx context.Context, url string, l load) (loadResult, error) {
	threads := min(2, l.connections)
	arguments := []string{"--latency",
		"-t", strconv.Itoa(threads),
		"-c", strconv.Itoa(l.connections),
		"-d", fmt.Sprintf("%ds", int(l.duration.Seconds()))}
	if l.script != "" {
		arguments = append(arguments, "-s", l.script)
	}
	command := exec.CommandContext(ctx, "wrk", append(arguments, url)...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	command.SysProcAttr = diesWithUs()
	out, err := command.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return loadResult{}, context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return loadResult{}, errors.New("wrk is not installed (Debian: apt-get install wrk, or make setup)")
	case err != nil:
		return loadResult{}, fmt.Errorf("wrk %s: %w\n%s", url, err, out)
	}
	result, err := parseWrk(string(out))
	if err != nil {
		return result, fmt.Errorf("wrk %s: %w in its report:\n%s", url, err, out)
	}
	return result, nil
}

// parseWrk reads the report that wrk 4 prints with --latency.
func parseWrk(report string) (loadResult, error) {
	var r loadResult
	var err error
	note := func(e error) {
		if err == nil {
			err = e
		}
	}
	latency := func(text string) time.Duration {
		d, e := wrkDuration(text)
		note(e)
		return d
	}
	for line := range strings.Lines(report) {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 4 && fields[1] == "requests" && fields[2] == "in":
			n, e := strconv.ParseInt(fields[0], 10, 64)
			note(e)
			r.Requests = n
			r.Duration = latency(strings.TrimSuffix(fields[3], ","))
		case len(fields) == 2 && fields[0] == "Requests/sec:":
			rate, e := strconv.ParseFloat(fields[1], 64)
			note(e)
			r.RequestsPerSecond = rate
		case len(fields) == 5 && fields[0] == "Latency":
			r.Mean = latency(fields[1])
		case len(fields) == 2 && fields[0] == "50%":
			r.P50 = latency(fields[1])
		case len(fields) == 2 && fields[0] == "99%":
			r.P99 = latency(fields[1])
		case strings.HasPrefix(line, "  Socket errors:"):
			var connect, read, write, timeout int64
			_, e := fmt.Sscanf(strings.TrimSpace(line), "Socket errors: connect %d, read %d, write %d, timeout %d",
				&connect, &read, &write, &timeout)
			note(e)
			r.SocketErrors = connect + read + write + timeout
		case strings.HasPrefix(line, "  Non-2xx or 3xx responses:"):
			n, e := strconv.ParseInt(fields[len(fields)-1], 10, 64)
			note(e)
			r.NonOK = n
		}
	}
	if err == nil && (r.Requests == 0 || r.RequestsPerSecond == 0) {
		err = errors.New("no requests")
	}
	return r, err
}

// wrkDuration reads a time as wrk prints it: 870.00us, 1.20ms, 2.01s, 1.00m, 2.00h.
func wrkDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time", text)
	}
	return d, nil
}
