// servers.go knows how to start each server that is measured: our host, nginx with php-fpm, and net/http alone.

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// server is something that answers at url with known processes.
type server struct {
	name    string
	url     string
	family  family
	control string // path of the control socket, for our host
}

// talks says whether s is there for long-lived connections.
func (s server) talks() bool { return strings.HasPrefix(s.url, "ws://") }

// plainHTTP as first argument makes this program a net/http server on the address in the second one.
const plainHTTP = "plain-http"

// startHost serves an example with the host binary, with more in its environment.
func startHost(ctx context.Context, s *stage, o options, example string, env ...string) (server, error) {
	address, err := freeAddress()
	if err != nil {
		return server{}, err
	}
	if _, err := os.Stat(o.host); err != nil {
		return server{}, fmt.Errorf("no host at %s: build it first (make build), or name it with --host", o.host)
	}
	name := filepath.Base(example)
	control := s.path(fmt.Sprintf("control.%d", len(s.actors)))
	command := exec.Command(o.host, "serve", "-l", address, "-n", strconv.Itoa(o.workers), "--control", control,
		example)
	command.Env = append(os.Environ(), env...)
	a, err := s.start(name, command)
	if err != nil {
		return server{}, err
	}
	started := server{
		name: strings.Join(append([]string{"host, " + name}, env...), ", "), url: "http://" + address + "/",
		family: family{host: a.command.Process.Pid}, control: control,
	}
	return started, a.ready(ctx, started.url)
}

// startPlain serves the greeting with net/http and nothing behind it.
func startPlain(ctx context.Context, s *stage) (server, error) {
	address, err := freeAddress()
	if err != nil {
		return server{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return server{}, err
	}
	a, err := s.start(plainHTTP, exec.Command(self, plainHTTP, address))
	if err != nil {
		return server{}, err
	}
	started := server{name: "net/http alone", url: "http://" + address + "/",
		family: family{host: a.command.Process.Pid}}
	return started, a.ready(ctx, started.url)
}

// servePlain is the other end of startPlain. It returns only with an error.
func servePlain(address string) error {
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte(greeting))
	}))
}

const helloScript = `<?php
header('Content-Type: text/plain; charset=utf-8');
echo 'Hello, World!';
`

// A fixed number of children, none of them ever replaced, and no log of accesses.
const fpmConfig = `[global]
daemonize = no
error_log = {dir}/fpm-error.log
log_level = warning

[www]
{user}
listen = {dir}/fpm.sock
listen.mode = 0666
listen.backlog = 4096
pm = static
pm.max_children = {workers}
pm.max_requests = 0
catch_workers_output = no
php_admin_value[error_log] = {dir}/php-error.log
`

// One location, no log of accesses, and connections kept on both sides.
const nginxConfig = `daemon off;
{user}
worker_processes {nginx-workers};
pid {dir}/nginx.pid;
error_log {dir}/nginx-error.log warn;
events {
    worker_connections 4096;
}
http {
    access_log off;
    server_tokens off;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_timeout 60s;
    keepalive_requests 1000000000;
    client_body_temp_path {dir}/nginx-body;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    proxy_temp_path {dir}/nginx-proxy;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    upstream php {
        server unix:{dir}/fpm.sock;
        {keepalive}
    }
    server {
        listen {address} backlog=4096;
        location = / {
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_FILENAME {dir}/hello.php;
            fastcgi_pass php;
            fastcgi_keep_conn {keep};
        }
    }
}
`

// startNginx serves the greeting with nginx and php-fpm from a prefix of their own, php-fpm with o.workers children.
func startNginx(ctx context.Context, s *stage, o options) (server, error) {
	nginx, err := program("nginx", "nginx-light", "/usr/sbin/nginx")
	if err != nil {
		return server{}, err
	}
	fpm, err := program("php-fpm", "php-fpm", "/usr/sbin/php-fpm*")
	if err != nil {
		return server{}, err
	}
	address, err := freeAddress()
	if err != nil {
		return server{}, err
	}
	fill := map[string]string{
		"{dir}": s.dir, "{address}": address, "{workers}": strconv.Itoa(o.workers),
		"{nginx-workers}": strconv.Itoa(o.nginxWorkers),
		"{keepalive}":     "", "{keep}": "off", "{user}": "",
	}
	if o.fpmKeepAlive {
		// A child serves its kept connection and no other, so more of them than children would leave some unserved.
		fill["{keepalive}"] = fmt.Sprintf("keepalive %d; keepalive_requests 1000000000;",
			max(1, o.workers/o.nginxWorkers))
		fill["{keep}"] = "on"
	}
	files := map[string]string{"hello.php": helloScript, "fpm.conf": fpmConfig, "nginx.conf": nginxConfig}
	for name, content := range files {
		if os.Getuid() == 0 {
			fill["{user}"] = map[string]string{"fpm.conf": "user = www-data", "nginx.conf": "user www-data;"}[name]
		}
		for key, value := range fill {
			content = strings.ReplaceAll(content, key, value)
		}
		if err := os.WriteFile(s.path(name), []byte(content), 0o644); err != nil {
			return server{}, err
		}
	}
	workers, err := s.start("php-fpm", exec.Command(fpm, "--nodaemonize", "--fpm-config", s.path("fpm.conf"),
		"-d", "opcache.enable=1", "-d", "opcache.validate_timestamps=0", "-d", "expose_php=0"))
	if err != nil {
		return server{}, err
	}
	proxy, err := s.start("nginx", exec.Command(nginx, "-e", s.path("nginx-error.log"), "-p", s.dir, "-c",
		s.path("nginx.conf")))
	if err != nil {
		return server{}, err
	}
	started := server{
		name: "nginx + php-fpm", url: "http://" + address + "/",
		family: family{host: proxy.command.Process.Pid, workers: workers.command.Process.Pid},
	}
	if err := proxy.ready(ctx, started.url); err != nil {
		logs, _ := os.ReadFile(s.path("nginx-error.log"))
		return server{}, fmt.Errorf("%w\nnginx's log:\n%s\nphp-fpm wrote:\n%s", err, logs, workers.lastLines())
	}
	return started, nil
}

// program finds a program on PATH, or by a pattern in a folder that ordinary users don't have on theirs.
func program(name, debianPackage, pattern string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	if found, _ := filepath.Glob(pattern); len(found) > 0 {
		return found[len(found)-1], nil
	}
	return "", fmt.Errorf("%s is not installed (Debian: apt-get install %s, or make setup)", name, debianPackage)
}

// parseTarget reads NAME=URL,PID[,WORKERS-PID], a server that somebody else runs.
func parseTarget(text string) (server, error) {
	malformed := errors.New("--target " + text + ": want NAME=URL,PID or NAME=URL,PID,WORKERS-PID, such as " +
		"--target workerman=http://127.0.0.1:8080/,4242")
	name, rest, ok := strings.Cut(text, "=")
	parts := strings.Split(rest, ",")
	if !ok || name == "" || len(parts) < 2 || len(parts) > 3 ||
		!strings.HasPrefix(parts[0], "http") && !strings.HasPrefix(parts[0], "ws://") {
		return server{}, malformed
	}
	pids := [2]int{}
	for i, part := range parts[1:] {
		pid, err := strconv.Atoi(part)
		if err != nil || pid <= 0 {
			return server{}, malformed
		}
		pids[i] = pid
	}
	return server{name: name, url: parts[0], family: family{host: pids[0], workers: pids[1]}}, nil
}
