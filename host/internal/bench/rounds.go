// rounds.go measures the servers in turn, so that whatever else the machine does meanwhile falls on all of them.

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

const (
	helloPHP = "examples/hello-php"
	helloGo  = "examples/hello-go"
	warmUp   = time.Second
)

// cast is the servers of a run. name is that of a section's own server, "" if it does not run.
type cast struct {
	name    map[string]string
	servers []server
}

// measureServers fills in the report's sections on throughput and on one connection.
func measureServers(ctx context.Context, s *stage, o options, into *report) error {
	all, err := assemble(ctx, s, o)
	if err != nil || len(all.servers) == 0 {
		return err
	}
	into.Servers, err = inRounds(ctx, all.servers, o, o.load(o.clients))
	if err == nil && o.runs("browser") {
		l := o.load(o.clients)
		if l.script, err = browserScript(s); err == nil {
			into.Browser, err = inRounds(ctx, all.servers, o, l)
		}
	}
	if err == nil && o.runs("one-connection") {
		into.OneConnection, err = measureOneConnection(ctx, all.servers, o)
	}
	into.compare(all)
	return err
}

// assemble starts the servers that o asks for.
func assemble(ctx context.Context, s *stage, o options) (cast, error) {
	c := cast{name: map[string]string{}}
	for _, one := range []struct {
		section string
		start   func() (server, error)
	}{
		{"hello-php", func() (server, error) { return startHost(ctx, s, o, helloPHP) }},
		{"hello-go", func() (server, error) { return startHost(ctx, s, o, helloGo) }},
		{"nginx", func() (server, error) { return startNginx(ctx, s, o) }},
		{"net-http", func() (server, error) { return startPlain(ctx, s) }},
	} {
		if !o.runs(one.section) {
			continue
		}
		server, err := one.start()
		if err != nil {
			return c, err
		}
		c.name[one.section] = server.name
		c.servers = append(c.servers, server)
	}
	for _, pair := range o.hostEnv {
		server, err := startHost(ctx, s, o, helloPHP, pair)
		if err != nil {
			return c, err
		}
		c.servers = append(c.servers, server)
	}
	for _, target := range o.targets {
		if target.talks() {
			continue
		}
		if err := greets(ctx, target.url); err != nil {
			progress("%s does other work than the rest, so compare with care: %v", target.name, err)
		}
		c.servers = append(c.servers, target)
	}
	return c, nil
}

// browserLua has wrk send a browser's header, and each time another URL, so that no server answers from a cache.
const browserLua = `local threads = 0
function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end
local sent = 0
local header = {
    ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    ["Accept-Encoding"] = "gzip, deflate, br, zstd",
    ["Accept-Language"] = "de,en-US;q=0.7,en;q=0.3",
    ["Cookie"] = "session=0123456789abcdef0123456789abcdef; theme=dark; consent=1",
    ["Priority"] = "u=0, i",
    ["Referer"] = "https://shop.example/products?category=7",
    ["Sec-Fetch-Dest"] = "document",
    ["Sec-Fetch-Mode"] = "navigate",
    ["Sec-Fetch-Site"] = "same-origin",
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}
function request()
    sent = sent + 1
    return wrk.format("GET", wrk.path .. "?page=" .. number .. "-" .. sent, header)
end
`

func browserScript(s *stage) (path string, err error) {
	path = s.path("browser.lua")
	return path, os.WriteFile(path, []byte(browserLua), 0o644)
}

// inRounds measures each server once a round, every other round in the opposite order.
func inRounds(ctx context.Context, servers []server, o options, l load) ([]measuredServer, error) {
	for _, server := range servers {
		progress("warming up %s", server.name)
		if _, err := runWrk(ctx, server.url, l.warm()); err != nil {
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
			m, err := measure(ctx, servers[i], l)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", servers[i].name, err)
			}
			progress("round %d of %d, %s: %.1f µs, %.0f requests/s, p50 %s, p99 %s", round+1, o.rounds,
				servers[i].name, m.CPU, m.Rate, duration(m.P50), duration(m.P99))
			measured[i].Rounds = append(measured[i].Rounds, m)
		}
	}
	for i := range measured {
		measured[i].Name = servers[i].name
		measured[i].Median = summary(measured[i].Rounds)
	}
	return measured, nil
}

// ratio is the median of the rounds' ratios: each compares neighbours in time. It is 0 if there is none.
func ratio(of, to measuredServer, what func(measurement) float64) float64 {
	ratios := []float64{}
	for i := range of.Rounds {
		if divisor := what(to.Rounds[i]); divisor > 0 {
			ratios = append(ratios, what(of.Rounds[i])/divisor)
		}
	}
	return median(ratios)
}

// measureOneConnection compares the servers where nothing queues: one connection, one request at a time. With them it
// measures how long a bare round trip to a PHP process takes, which nobody can do without who has workers.
func measureOneConnection(ctx context.Context, servers []server, o options) (*oneConnection, error) {
	result := &oneConnection{}
	for range o.rounds {
		trip, err := pipeRoundTrip(ctx)
		if err != nil {
			return nil, err
		}
		result.PipeRounds = append(result.PipeRounds, trip)
	}
	result.Pipe = median(result.PipeRounds)
	progress("a bare round trip to a PHP process by pipes: %.1f µs", result.Pipe)
	var err error
	result.Servers, err = inRounds(ctx, servers, o, o.load(1))
	return result, err
}
