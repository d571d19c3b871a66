// waiting.go measures what it costs that many requests wait at once, in PHP processes with fibers: our host's, and
// those of other servers that are running already.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	waitPath = "wait"          // behind the URL of a server: it answers there once waitTime is over
	waitTime = 3 * time.Second // as the script below has it
	loosely  = 30 * time.Second
)

// waitScript waits at one place, and greets at all others.
const waitScript = `<?php
declare(strict_types=1);
use WorkerHost\{Async, Worker};
use WorkerHost\Http\{Request, Response};
require {sdk};
Worker::create()
    ->concurrency({concurrency})
    ->onRequest(function (Request $request): Response {
        if ($request->path === '/{path}') {
            Async::delay(3.0);
        }
        return Response::text('Hello, World!');
    })
    ->run();
`

// startWaiting serves waitScript with the host binary, with so many requests at once in each worker.
func startWaiting(ctx context.Context, s *stage, o options, name string, concurrency int) (server, error) {
	sdk, err := filepath.Abs("sdk-php/autoload.php")
	if err != nil {
		return server{}, err
	}
	if _, err := os.Stat(sdk); err != nil {
		return server{}, errors.New("run it in the project's folder: no sdk-php here")
	}
	address, err := freeAddress()
	if err != nil {
		return server{}, err
	}
	dir := s.path(fmt.Sprintf("waiting.%d", len(s.actors)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return server{}, err
	}
	script := strings.NewReplacer("{sdk}", "'"+sdk+"'", "{concurrency}", strconv.Itoa(concurrency),
		"{path}", waitPath).Replace(waitScript)
	if err := os.WriteFile(filepath.Join(dir, "worker.php"), []byte(script), 0o644); err != nil {
		return server{}, err
	}
	a, err := s.start("waiting", exec.Command(o.host, "serve", "-l", address, "-n", strconv.Itoa(o.workers),
		"--control", filepath.Join(dir, "control"), dir))
	if err != nil {
		return server{}, err
	}
	started := server{name: name, url: "http://" + address + "/", family: family{host: a.command.Process.Pid}}
	return started, a.ready(ctx, started.url)
}

// measureWaiting has each server answer hellos, and requests that wait, in rounds.
func measureWaiting(ctx context.Context, s *stage, o options) (*waiting, error) {
	result := &waiting{Requests: fit(o.waitingRequests), Seconds: waitTime.Seconds()}
	fibers, err := startWaiting(ctx, s, o, "host, fibers", result.Requests)
	if err != nil {
		return nil, err
	}
	single, err := startWaiting(ctx, s, o, "host, one at a time", 1)
	if err != nil {
		return nil, err
	}
	servers := []server{fibers, single}
	for _, target := range o.targets {
		if !target.talks() {
			servers = append(servers, target)
		}
	}
	for _, each := range servers {
		if err := greets(ctx, each.url); err != nil {
			return nil, fmt.Errorf("%s: %w", each.name, err)
		}
		if _, err := runWrk(ctx, each.url, o.load(o.clients).warm()); err != nil {
			return nil, err
		}
		table, err := readProcesses()
		if err != nil {
			return nil, err
		}
		result.Servers = append(result.Servers, waiter{Name: each.name, before: each.family.memory(table)})
	}
	for round := range o.rounds {
		for i, each := range servers {
			w := &result.Servers[i]
			hello, err := measure(ctx, each, o.load(o.clients))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", each.name, err)
			}
			w.HelloRounds = append(w.HelloRounds, hello)
			progress("round %d of %d, %s: hello %.1f µs", round+1, o.rounds, each.name, hello.CPU)
			if each.name == single.name { // which would take hours
				continue
			}
			wave, err := measureWave(ctx, each, result.Requests, w.before)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", each.name, err)
			}
			w.Rounds = append(w.Rounds, wave)
			progress("round %d of %d, %s: p99 %s", round+1, o.rounds, each.name, duration(wave.P99))
		}
	}
	for i := range result.Servers {
		result.Servers[i].sum()
	}
	return result, nil
}

// measureWave sends so many requests at once, each on a connection of its own, and says what that took. before is what
// the server's processes had of memory when they had no connection.
func measureWave(ctx context.Context, s server, count int, before memory) (wave, error) {
	clients, err := dialWave(ctx, s.url, count)
	if err != nil {
		return wave{}, err
	}
	defer clients.close()
	time.Sleep(300 * time.Millisecond) // until the last of them is accepted
	used, err := usedNow(s.family)
	if err != nil {
		return wave{}, err
	}
	grown := make(chan memory, 1)
	time.AfterFunc(waitTime*9/10, func() {
		table, err := readProcesses()
		if err != nil {
			grown <- memory{}
			return
		}
		now := s.family.memory(table)
		grown <- memory{host: now.host - before.host, workers: now.workers - before.workers, whole: now.whole}
	})
	took, failed := clients.ask(waitPath)
	memory := <-grown
	after, err := usedNow(s.family)
	if err != nil {
		return wave{}, err
	}
	each := func(d time.Duration) float64 { return micros(d) / float64(count) }
	w := wave{
		HostCPU: each(after.host - used.host), WorkersCPU: each(after.workers - used.workers),
		HostMemory: memory.host / int64(count), WorkersMemory: memory.workers / int64(count),
		WholePages: memory.whole, Errors: int64(failed),
	}
	if len(took) > 0 {
		slices.Sort(took)
		w.P50, w.P99 = micros(took[len(took)/2]), micros(took[len(took)*99/100])
		w.Last = micros(took[len(took)-1])
	}
	return w, nil
}

// waveClients are connections to one server, each of which asks once.
type waveClients struct {
	host  string
	conns []net.Conn
}

// dialWave connects so many clients.
func dialWave(ctx context.Context, to string, count int) (*waveClients, error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	clients := &waveClients{host: u.Host}
	var dialer net.Dialer
	for range count {
		conn, err := dialer.DialContext(ctx, "tcp", u.Host)
		if err != nil {
			clients.close()
			return nil, fmt.Errorf("connection %d: %w", len(clients.conns)+1, err)
		}
		clients.conns = append(clients.conns, conn)
	}
	return clients, nil
}

func (c *waveClients) close() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

// ask sends a request on each of them at once, and says how long those took that were answered well, and how many were
// not.
func (c *waveClients) ask(path string) (took []time.Duration, failed int) {
	request := []byte("GET /" + path + " HTTP/1.1\r\nHost: " + c.host + "\r\n\r\n")
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, conn := range c.conns {
		wait.Go(func() {
			begun := time.Now()
			err := exchange(conn, request)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
				return
			}
			took = append(took, time.Since(begun))
		})
	}
	wait.Wait()
	return took, failed
}

// exchange sends a request, and reads the answer, which has to be the greeting.
func exchange(conn net.Conn, request []byte) error {
	conn.SetDeadline(time.Now().Add(loosely))
	if _, err := conn.Write(request); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, 512), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err == nil && (response.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != greeting) {
		err = fmt.Errorf("%s and %.200q", response.Status, body)
	}
	return err
}
