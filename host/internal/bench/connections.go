// connections.go measures long-lived connections: what an idle one takes of the host's memory, what an echo and a
// broadcast take of CPU time.

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// talkScript does what a small application does: each connection has a user, a group and a session.
const talkScript = `<?php
declare(strict_types=1);
use WorkerHost\{Connection, Worker};
use WorkerHost\Http\{Request, Response};
require {sdk};
$worker = Worker::create();
$all = $worker->connections();
$worker
    ->onOpen(function (Connection $c): void {
        $c->bindUid('user-' . $c->id);
        $c->join('lobby');
        $c->session['name'] = 'guest';
        $c->session['since'] = time();
    })
    ->onMessage(function (Connection $c, string $text) use ($all): void {
        if (str_starts_with($text, '{toAll}')) {
            $all->sendToGroup('lobby', $text);
        } else {
            $c->send($text);
        }
    })
    ->onRequest(fn (Request $r) => $r->path === '{held}'
        ? Response::hold("retry: 2000\n\n", groups: 'lobby')
        : Response::text('Hello, World!'))
    ->run();
`

const talkConfig = `[[listen]]
address = "{http}"
[[listen]]
address = "{tcp}"
protocol = "tcp"
framing = "line"
[pool.talk]
worker = "talk.php"
workers = {workers}
`

// talker is a server of long-lived connections.
type talker struct {
	server
	spec crowdSpec // of its clients, but for their number
	tcp  string    // the address where a message is a line; "" if there is none
	end  func() error
}

// startTalk serves talkScript with the host binary.
func startTalk(ctx context.Context, s *stage, o options) (*talker, error) {
	sdk, err := filepath.Abs("sdk-php/autoload.php")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(sdk); err != nil {
		return nil, errors.New("run it in the project's folder: no sdk-php here")
	}
	addresses := [2]string{}
	for i := range addresses {
		if addresses[i], err = freeAddress(); err != nil {
			return nil, err
		}
	}
	replace := strings.NewReplacer("{sdk}", "'"+sdk+"'", "{toAll}", toAll, "{held}", heldPath,
		"{http}", addresses[0], "{tcp}", addresses[1], "{workers}", strconv.Itoa(o.workers))
	dir := s.path(fmt.Sprintf("talk.%d", len(s.actors)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	for name, content := range map[string]string{"talk.php": talkScript, "host.toml": talkConfig} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(replace.Replace(content)), 0o644); err != nil {
			return nil, err
		}
	}
	a, err := s.start("talk", exec.Command(o.host, "serve", "-c", filepath.Join(dir, "host.toml"), "--control",
		filepath.Join(dir, "control")))
	if err != nil {
		return nil, err
	}
	t := &talker{
		server: server{name: "host, PHP worker", url: "http://" + addresses[0] + "/",
			family: family{host: a.command.Process.Pid}},
		spec: crowdSpec{Network: websocket, Address: addresses[0], Path: "/"},
		tcp:  addresses[1], end: a.end,
	}
	return t, a.ready(ctx, t.url)
}

// talkerAt is a server that somebody else runs.
func talkerAt(s server) (*talker, error) {
	u, err := url.Parse(s.url)
	if err != nil {
		return nil, err
	}
	return &talker{server: s, spec: crowdSpec{Network: websocket, Address: u.Host, Path: u.RequestURI()},
		end: func() error {
			return nil
		}}, nil
}

// clients connects so many clients.
func (t *talker) clients(ctx context.Context, s *stage, network string, count int) (*crowd, error) {
	spec := t.spec
	spec.Count, spec.Network = count, network
	switch network {
	case tcp:
		spec.Address = t.tcp
	case held:
		spec.Path = heldPath
	}
	return startCrowd(ctx, s, spec)
}

// pipelined is how many messages are under way on each connection when clients don't wait for answers.
const pipelined = 16

// measureConnections does all of it: memory once, on a host of its own each, since memory once taken is not always
// given back; the rest in rounds.
func measureConnections(ctx context.Context, s *stage, o options) (*longLived, error) {
	o.idle, o.audience = fit(o.idle), fit(o.audience)
	result := &longLived{Echoing: o.echoing, Audience: o.audience, Pipelined: pipelined}
	for _, network := range []string{keepAlive, websocket, tcp, held} {
		idle, err := measureIdle(ctx, s, o, network)
		if err != nil {
			return nil, fmt.Errorf("idle connections, %s: %w", network, err)
		}
		result.Idle = append(result.Idle, idle)
	}
	host, err := startTalk(ctx, s, o)
	if err != nil {
		return nil, err
	}
	talkers := []*talker{host}
	for _, target := range o.targets {
		if target.talks() {
			t, err := talkerAt(target)
			if err != nil {
				return nil, err
			}
			talkers = append(talkers, t)
		}
	}
	if _, err := runWrk(ctx, host.url, o.load(o.echoing).warm()); err != nil {
		return nil, err
	}
	for _, t := range talkers {
		result.Servers = append(result.Servers, talk{Name: t.name})
	}
	for round := range o.rounds {
		http, err := measure(ctx, host.server, o.load(o.echoing))
		if err != nil {
			return nil, err
		}
		progress("round %d of %d, HTTP on the same host: %.1f µs, %.0f requests/s", round+1, o.rounds, http.CPU,
			http.Rate)
		result.HTTPRounds = append(result.HTTPRounds, http)
		for i, t := range talkers {
			if err := result.Servers[i].measure(ctx, s, t, o, round); err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	result.HTTP = summary(result.HTTPRounds)
	for i := range result.Servers {
		result.Servers[i].sum()
	}
	return result, host.end()
}

const (
	settleTime = 10 * time.Second
	firstFew   = 200
)

// measureIdle opens o.idle connections, each of which has one answer or message, and says by how much the host has
// grown.
func measureIdle(ctx context.Context, s *stage, o options, network string) (idleCost, error) {
	cost := idleCost{Protocol: network, Connections: o.idle}
	host, err := startTalk(ctx, s, o)
	if err != nil {
		return cost, err
	}
	few, err := host.clients(ctx, s, network, firstFew) // what is allocated once
	if err == nil {
		err = errors.Join(few.leave(), pause(ctx, time.Second))
	}
	if err != nil {
		return cost, err
	}
	cost.Before = rss(host.family.host)
	began := time.Now()
	all, err := host.clients(ctx, s, network, o.idle)
	if err != nil {
		return cost, err
	}
	cost.OpenSeconds = time.Since(began).Seconds()
	cost.AtOnce = rss(host.family.host)
	if err := pause(ctx, settleTime); err != nil {
		return cost, err
	}
	cost.After = rss(host.family.host)
	cost.Each = float64(cost.After-cost.Before) / float64(o.idle)
	progress("idle %s: %.1f KiB each at %d connections, which came in %.1f s (at once: %.1f KiB)", network,
		cost.Each/1024, o.idle,
		cost.OpenSeconds, float64(cost.AtOnce-cost.Before)/1024/float64(o.idle))
	return cost, errors.Join(all.leave(), host.end())
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// rss is the resident memory of a process in bytes.
func rss(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if f := strings.Fields(string(b)); len(f) > 1 {
		pages, _ := strconv.ParseInt(f[1], 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}

// measure takes one round: echoes one at a time and many at a time, and broadcasts.
func (m *talk) measure(ctx context.Context, s *stage, t *talker, o options, round int) error {
	few, err := t.clients(ctx, s, t.spec.Network, o.echoing)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		depth  int
		rounds *[]exchanged
	}{{1, &m.Single.Rounds}, {pipelined, &m.Pipelined.Rounds}} {
		if round == 0 {
			if _, err := few.run(ctx, errand{Depth: part.depth, Millis: int(warmUp.Milliseconds())}); err != nil {
				return err
			}
		}
		x, err := t.watch(ctx, few, errand{Depth: part.depth, Millis: 1000 * o.seconds})
		if err != nil {
			return err
		}
		progress("round %d of %d, %s, echo, %d at a time: %.1f µs, %.0f messages/s", round+1, o.rounds, t.name,
			part.depth, x.CPU, x.Rate)
		*part.rounds = append(*part.rounds, x)
	}
	if err := few.leave(); err != nil {
		return err
	}
	x, err := t.broadcast(ctx, s, o)
	switch {
	case err == nil:
		progress("round %d of %d, %s, broadcast to %d: %.1f µs per delivery, the last after %s", round+1, o.rounds,
			t.name, o.audience, x.CPU, duration(x.Last))
		m.Broadcast.Rounds = append(m.Broadcast.Rounds, x)
	case t.tcp == "" && ctx.Err() == nil: // a peer that can't is no reason to stop
		progress("round %d of %d, %s could not send to %d: %v", round+1, o.rounds, t.name, o.audience, err)
	default:
		return err
	}
	return pause(ctx, time.Second) // CLOSE reaches workers meanwhile
}

// broadcast has messages sent to all of o.audience connections.
func (t *talker) broadcast(ctx context.Context, s *stage, o options) (x exchanged, err error) {
	all, err := t.clients(ctx, s, t.spec.Network, o.audience)
	if err != nil {
		return x, err
	}
	defer func() { err = errors.Join(err, all.leave()) }()
	if _, err := all.run(ctx, errand{Broadcasts: 3}); err != nil {
		return x, err
	}
	return t.watch(ctx, all, errand{Broadcasts: 10 * o.seconds})
}

// watch sends clients on an errand, and says what that took of the server.
func (t *talker) watch(ctx context.Context, c *crowd, e errand) (exchanged, error) {
	before, err := usedNow(t.family)
	if err != nil {
		return exchanged{}, err
	}
	o, err := c.run(ctx, e)
	if err != nil {
		return exchanged{}, err
	}
	after, err := usedNow(t.family)
	if err != nil {
		return exchanged{}, err
	}
	each := func(d time.Duration) float64 { return micros(d) / float64(o.Messages) }
	x := exchanged{
		HostCPU: each(after.host - before.host), WorkersCPU: each(after.workers - before.workers),
		Rate: float64(o.Messages) / o.Took * 1e6, P50: o.P50, P99: o.P99, Last: median(o.Last), Messages: o.Messages,
	}
	if len(o.Last) > 0 {
		x.Latest = slices.Max(o.Last)
	}
	x.CPU = x.HostCPU + x.WorkersCPU
	return x, nil
}
