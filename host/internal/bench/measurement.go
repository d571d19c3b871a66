// measurement.go loads one server once and says what that cost; and takes the middle of several such measurements.

package main

import (
	"context"
	"slices"
	"time"
)

// measurement is one server under load, once. Names and units of the JSON are stable.
type measurement struct {
	HostCPU    float64 `json:"host_cpu_us"` // CPU µs per request; for nginx + php-fpm that is nginx
	WorkersCPU float64 `json:"workers_cpu_us"`
	CPU        float64 `json:"cpu_us"`
	Rate       float64 `json:"requests_per_second"`
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	Served     float64 `json:"connections_in_service"` // requests per second × mean latency: how many got answers at a time
	Memory     int64   `json:"peak_memory_bytes"`
	WholePages bool    `json:"memory_is_rss,omitempty"`
	Requests   int64   `json:"requests"`
	NonOK      int64   `json:"non_2xx"`
	Socket     int64   `json:"socket_errors"`
}

func (m measurement) errors() int64 { return m.NonOK + m.Socket }

// measure loads s with wrk. CPU times are those that its processes used between wrk's start and its end.
func measure(ctx context.Context, s server, l load) (measurement, error) {
	before, err := usedNow(s.family)
	if err != nil {
		return measurement{}, err
	}
	watch := watchMemory(s.family)
	result, err := runWrk(ctx, s.url, l)
	peak := watch.stop()
	if err != nil {
		return measurement{}, err
	}
	after, err := usedNow(s.family)
	if err != nil {
		return measurement{}, err
	}
	each := func(d time.Duration) float64 { return micros(d) / float64(result.Requests) }
	return measurement{
		HostCPU:    each(after.host - before.host),
		WorkersCPU: each(after.workers - before.workers),
		CPU:        each(after.host - before.host + after.workers - before.workers),
		Rate:       result.RequestsPerSecond,
		P50:        micros(result.P50),
		P99:        micros(result.P99),
		Served:     result.RequestsPerSecond * result.Mean.Seconds(),
		Memory:     peak.total(),
		WholePages: peak.whole,
		Requests:   result.Requests,
		NonOK:      result.NonOK,
		Socket:     result.SocketErrors,
	}, nil
}

func usedNow(f family) (cpu, error) {
	table, err := readProcesses()
	if err != nil {
		return cpu{}, err
	}
	return f.used(table)
}

// memoryWatch samples a family's memory until it is stopped.
type memoryWatch struct {
	quit chan struct{}
	peak chan memory
}

// watchMemory samples seldom, since reading a process's pages holds its memory lock.
func watchMemory(f family) memoryWatch {
	w := memoryWatch{quit: make(chan struct{}), peak: make(chan memory, 1)}
	go func() {
		var peak memory
		every := time.NewTicker(500 * time.Millisecond)
		defer every.Stop()
		for running := true; running; {
			select {
			case <-every.C:
			case <-w.quit:
				running = false
			}
			if table, err := readProcesses(); err == nil {
				if now := f.memory(table); now.total() > peak.total() {
					peak = now
				}
			}
		}
		w.peak <- peak
	}()
	return w
}

// stop takes a last sample and returns the highest one.
func (w memoryWatch) stop() memory {
	close(w.quit)
	return <-w.peak
}

// summary is the middle of several rounds: medians, but the highest memory and the sum of all errors.
func summary(rounds []measurement) measurement {
	of := func(pick func(measurement) float64) float64 { return median(collect(rounds, pick)) }
	s := measurement{
		HostCPU:    of(func(m measurement) float64 { return m.HostCPU }),
		WorkersCPU: of(func(m measurement) float64 { return m.WorkersCPU }),
		CPU:        of(func(m measurement) float64 { return m.CPU }),
		Rate:       of(func(m measurement) float64 { return m.Rate }),
		P50:        of(func(m measurement) float64 { return m.P50 }),
		P99:        of(func(m measurement) float64 { return m.P99 }),
		Served:     of(func(m measurement) float64 { return m.Served }),
	}
	for _, m := range rounds {
		s.Memory = max(s.Memory, m.Memory)
		s.WholePages = s.WholePages || m.WholePages
		s.Requests += m.Requests
		s.NonOK += m.NonOK
		s.Socket += m.Socket
	}
	return s
}

func collect[T any](items []T, pick func(T) float64) []float64 {
	values := make([]float64, len(items))
	for i, item := range items {
		values[i] = pick(item)
	}
	return values
}

// median returns 0 for no values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
