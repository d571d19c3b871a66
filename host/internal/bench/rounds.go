// rounds.go measures the servers in turn, so that whatever else the machine does meanwhile falls on all of them.

package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	helloPHP = "examples/hello-php"
	helloGo  = "examples/hello-go"
	warmUp   = time.Second
)

// measureServers fills in the report's sections on throughput and on one connection.
func measureServers(ctx context.Context, s *stage, o options, into *report) error {
	cast := []struct {
		section string
		start   func() (server, error)
	}{
		{"hello-php", func() (server, error) { return startHost(ctx, s, o, helloPHP) }},
		{"hello-go", func() (server, error) { return startHost(ctx, s, o, helloGo) }},
		{"nginx", func() (server, error) { return startNginx(ctx, s, o) }},
		{"net-http", func() (server, error) { return startPlain(ctx, s) }},
	}
	started := map[string]server{}
	servers := []server{}
	for _, c := range cast {
		compared := o.runs("one-connection") && (c.section == "hello-php" || c.section == "net-http")
		if !o.runs(c.section) && !compared {
			continue
		}
		server, err := c.start()
		if err != nil {
			return err
		}
		started[c.section] = server
		if o.runs(c.section) {
			servers = append(servers, server)
		}
	}
	for _, target := range o.targets {
		if target.talks() {
			continue
		}
		if err := greets(ctx, target.url); err != nil {
			progress("%s does other work than the rest, so compare with care: %v", target.name, err)
		}
		servers = append(servers, target)
	}

	if len(servers) == 0 {
		return nil
	}
	measured, err := inRounds(ctx, servers, o)
	if err != nil {
		return err
	}
	into.Servers = measured
	if o.runs("hello-php") && o.runs("nginx") {
		into.Ratio = cpuRatio(into.server(started["hello-php"].name), into.server(started["nginx"].name))
	}
	if !o.runs("one-connection") {
		return nil
	}
	into.OneConnection, err = measureOneConnection(ctx, started["hello-php"], started["net-http"], o)
	return err
}

// inRounds measures each server once a round, every other round in the opposite order.
func inRounds(ctx context.Context, servers []server, o options) ([]measuredServer, error) {
	for _, server := range servers {
		progress("warming up %s", server.name)
		if _, err := runWrk(ctx, server.url, load{o.clients, warmUp}); err != nil {
			return nil, err
		}
	}
	measured := make([]measuredServer, len(servers))
	for round := range o.rounds {
		order := make([]int, len(servers))
		for i := range order {
			order[i] = i
		}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, i := range order {
			m, err := measure(ctx, servers[i], load{o.clients, time.Duration(o.seconds) * time.Second})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", servers[i].name, err)
			}
			progress("round %d of %d, %s: %.1f µs, %.0f requests/s, p99 %s", round+1, o.rounds, servers[i].name, m.CPU,
				m.Rate, duration(m.P99))
			measured[i].Rounds = append(measured[i].Rounds, m)
		}
	}
	for i := range measured {
		measured[i].Name = servers[i].name
		measured[i].Median = summary(measured[i].Rounds)
	}
	return measured, nil
}

// cpuRatio is the median of the rounds' ratios: each compares neighbours in time.
func cpuRatio(of, to measuredServer) float64 {
	ratios := []float64{}
	for i := range of.Rounds {
		if to.Rounds[i].CPU > 0 {
			ratios = append(ratios, of.Rounds[i].CPU/to.Rounds[i].CPU)
		}
	}
	return median(ratios)
}

// measureOneConnection compares the host with net/http alone where nothing queues: one connection, one request at a
// time.
func measureOneConnection(ctx context.Context, host, plain server, o options) (*oneConnection, error) {
	result := &oneConnection{}
	l := load{1, time.Duration(o.seconds) * time.Second}
	for _, server := range []server{host, plain} {
		if _, err := runWrk(ctx, server.url, load{1, warmUp}); err != nil {
			return nil, err
		}
	}
	for round := range o.rounds {
		order := []server{plain, host}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		var r latencyRound
		for _, server := range order {
			got, err := runWrk(ctx, server.url, l)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", server.name, err)
			}
			r.Errors += got.errors()
			if server == plain {
				r.PlainP50, r.PlainMean = micros(got.P50), micros(got.perRequest())
			} else {
				r.HostP50, r.HostMean = micros(got.P50), micros(got.perRequest())
			}
		}
		progress("round %d of %d, one connection: net/http %.1f µs, host %.1f µs (means)", round+1, o.rounds,
			r.PlainMean, r.HostMean)
		result.Rounds = append(result.Rounds, r)
	}
	result.AddedP50 = median(collect(result.Rounds, func(r latencyRound) float64 { return r.HostP50 - r.PlainP50 }))
	result.AddedMean = median(collect(result.Rounds, func(r latencyRound) float64 { return r.HostMean - r.PlainMean }))
	return result, nil
}
