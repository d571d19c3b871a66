// The clients of streams, and the servers that pass them on.

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

const chatConfig = `[[listen]]
address = "{http}"
max_connections = 100000
[pool.chat]
worker = "chat.php"
workers = 4
[pool.chat.fetch]
allow = ["http://{backend}/*"]
at_once = 100000
per_host = 100000
`

const chatScript = `<?php
declare(strict_types=1);
use WorkerHost\Http\{Request, Response};
require {sdk};
WorkerHost\Worker::create()
    ->onRequest(fn (Request $r) => $r->path === '/chat'
        ? Response::fetch('http://{backend}/v1/chat', 'POST', body: ['stream' => true])
        : Response::text('Hello, World!'))
    ->run();
`

// What an application does under php-fpm: its child passes on what comes until the end.
const chatPage = `<?php
if ($_SERVER['DOCUMENT_URI'] !== '/chat') {
    echo 'Hello, World!';
    return;
}
header('Content-Type: text/event-stream');
header('X-Accel-Buffering: no');
$from = fopen('http://{backend}/v1/chat', 'r', false, stream_context_create(['http' => [
    'method' => 'POST', 'header' => 'Content-Type: application/json', 'content' => '{"stream":true}']]));
while (($line = fgets($from)) !== false) {
    echo $line;
    flush();
}
`

const chatFPM = `[global]
daemonize = no
error_log = {dir}/fpm-error.log
[www]
{fpm-user}
listen = {dir}/fpm.sock
listen.mode = 0666
listen.backlog = 4096
pm = static
pm.max_children = {children}
`

const chatNginx = `daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 65536;
pid {dir}/nginx.pid;
error_log {dir}/nginx-error.log crit;
events { worker_connections 16384; }
http {
    access_log off;
    client_body_temp_path {dir}/body;
    fastcgi_temp_path {dir}/fastcgi;
    proxy_temp_path {dir}/proxy;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {
        listen {address} backlog=4096;
        location / {
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_FILENAME {dir}/chat.php;
            fastcgi_pass unix:{dir}/fpm.sock;
            fastcgi_read_timeout 1h;
        }
    }
}
`

// passers are the servers that pass streams on, and why others are not to be had.
func (o options) passers() (all []peer, missing []error) {
	all = append(all, peer{name: "host, Response::fetch, 4 workers",
		files:   map[string]string{"chat.php": chatScript, "host.toml": chatConfig},
		program: []string{o.host, "serve", "-c", "{dir}/host.toml", "--control", "{dir}/control"},
		replace: func(p *playing) error { return p.run(o.host, "reload", "--control", "{dir}/control") }})
	nginx, err := program("nginx", "nginx-light", "/usr/sbin/nginx")
	fpm, err2 := program("php-fpm", "php-fpm", "/usr/sbin/php-fpm*")
	if err = errors.Join(err, err2); err != nil {
		return all, []error{err}
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user = www-data"
	}
	fill := strings.NewReplacer("{children}", fmt.Sprint(fpmChildren), "{fpm-user}", user)
	return append(all, peer{name: fmt.Sprintf("nginx + php-fpm, %d children", fpmChildren),
		files: map[string]string{"chat.php": chatPage, "fpm.conf": fill.Replace(chatFPM), "nginx.conf": chatNginx},
		program: []string{"/bin/sh", "-c", fpm + " --nodaemonize --fpm-config {dir}/fpm.conf & " + nginx +
			" -e {dir}/nginx-error.log -p {dir} -c {dir}/nginx.conf; kill $!; wait"}, binary: nginx}), nil
}

// measureStreams measures the model itself, and then each server before it.
func measureStreams(ctx context.Context, s *stage, o options) (all []streamed, err error) {
	backend, err := freeAddress()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	model, err := s.start(languageModel, exec.Command(self, languageModel, backend))
	if err == nil {
		err = model.ready(ctx, "http://"+backend+"/")
	}
	if err != nil {
		return nil, err
	}
	itself := &playing{peer: peer{name: "the model itself"}, address: backend, actor: model}
	direct, err := measureStream(ctx, o, itself)
	if err != nil {
		return nil, err
	}
	all = append(all, direct)
	servers, missing := o.passers()
	for _, why := range missing {
		progress("left out: %v", why)
	}
	for _, p := range servers {
		on, err := s.play(ctx, p, o, backend)
		if err == nil {
			var one streamed
			one, err = measureStream(ctx, o, on)
			all = append(all, one)
		}
		if on != nil {
			err = errors.Join(err, on.actor.end())
		}
		if err != nil {
			return all, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return all, nil
}

// readers are the clients of one round.
type readers struct {
	address string
	late    context.Context // over when what has not come counts as late

	mu    sync.Mutex
	first []time.Duration
	whole int
	asked []time.Duration
	bad   int
}

func measureStream(ctx context.Context, o options, p *playing) (streamed, error) {
	result := streamed{Server: p.name, Clients: o.streaming}
	progress("%s: %d streams", p.name, o.streaming)
	of := family{host: p.actor.command.Process.Pid}
	_, idle := p.hostMemory()
	before, err := usedNow(of)
	if err != nil {
		return result, err
	}
	late, end := context.WithTimeout(ctx, streamRamp+streamTokens*tokenPause+streamGrace)
	defer end()
	c := &readers{address: p.address, late: late}
	var all, beside sync.WaitGroup
	stop := make(chan struct{})
	beside.Go(func() { c.ask(stop) })
	pace := time.NewTicker(streamRamp / time.Duration(o.streaming))
	defer pace.Stop()
	for range o.streaming {
		<-pace.C
		all.Go(c.read)
	}
	if _, full := p.hostMemory(); full > 0 {
		result.Memory = (full - idle) / int64(o.streaming)
	}
	for p.replace != nil && result.Reloads < o.reloads && err == nil && ctx.Err() == nil {
		err = p.replace(p)
		result.Reloads++
		time.Sleep(time.Second)
	}
	all.Wait()
	close(stop)
	beside.Wait()
	after, err2 := usedNow(of)
	if err = errors.Join(err, err2, ctx.Err()); err != nil {
		return result, err
	}
	result.Begun, result.Whole, result.Asked, result.Failed = len(c.first), c.whole, len(c.asked)+c.bad, c.bad
	result.FirstP50, result.FirstP99 = quantile(c.first, 0.5), quantile(c.first, 0.99)
	result.AskedP50, result.AskedP99 = quantile(c.asked, 0.5), quantile(c.asked, 0.99)
	used := after.host - before.host + after.workers - before.workers
	result.CPU = micros(used) / float64(max(1, c.whole*streamTokens))
	return result, nil
}

// hostMemory is what the process holds that has the clients' connections.
func (p *playing) hostMemory() (count int, bytes int64) {
	if p.binary == "" { // the model
		return 0, 0
	}
	return p.memory()
}

// read has one stream, from its request to its end.
func (c *readers) read() {
	began := time.Now()
	conn, err := (&net.Dialer{}).DialContext(c.late, "tcp", c.address)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(c.late, func() { conn.Close() })()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", chatPath, c.address)
	r := bufio.NewReaderSize(conn, 1024)
	answer, err := http.ReadResponse(r, nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		return
	}
	tokens, done := 0, false
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		switch line := lines.Bytes(); {
		case bytes.HasSuffix(line, []byte("[DONE]")):
			done = true
		case len(line) > 0:
			if tokens++; tokens == 1 {
				took := time.Since(began)
				c.mu.Lock()
				c.first = append(c.first, took)
				c.mu.Unlock()
			}
		}
	}
	if lines.Err() == nil && done && tokens == streamTokens {
		c.mu.Lock()
		c.whole++
		c.mu.Unlock()
	}
}

// ask sends ordinary requests at a steady rate, whatever becomes of those before.
func (c *readers) ask(stop <-chan struct{}) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: streamGrace}
	defer client.CloseIdleConnections()
	next := time.NewTicker(time.Second / askedRate)
	defer next.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case <-stop:
			return
		case <-next.C:
		}
		all.Go(func() {
			began := time.Now()
			answer, err := client.Get("http://" + c.address + "/")
			if err == nil {
				var text []byte
				text, err = io.ReadAll(answer.Body)
				answer.Body.Close()
				if string(text) != greeting {
					err = errors.New(answer.Status)
				}
			}
			took := time.Since(began)
			c.mu.Lock()
			defer c.mu.Unlock()
			if err != nil {
				c.bad++
				return
			}
			c.asked = append(c.asked, took)
		})
	}
}

// quantile is in µs; 0 of none.
func quantile(of []time.Duration, q float64) float64 {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	return micros(of[min(len(of)-1, int(q*float64(len(of))))])
}
