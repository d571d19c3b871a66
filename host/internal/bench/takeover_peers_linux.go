// How each program is replaced, by its own means, while it serves.

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// peer is a program with a configuration, and a way to replace what serves.
type peer struct {
	name    string
	files   map[string]string // the configuration; what stands in braces is filled in
	program []string
	binary  string // that it runs, if program is a shell
	replace func(p *playing) error
}

// playing is a peer that serves.
type playing struct {
	peer
	dir, address string
	fill         *strings.Replacer
	actor        *actor
}

const nginxProxy = `daemon {daemon};
{user}
worker_processes 2;
pid {dir}/nginx.pid;
error_log {dir}/nginx-error.log warn;
{more}
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {dir}/body;
    fastcgi_temp_path {dir}/fastcgi;
    proxy_temp_path {dir}/proxy;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
    upstream backend { server {backend}; keepalive 64; }
    server {
        listen {address} backlog=4096;
        location / {
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_read_timeout 1h;
        }
    }
}
`

const haproxyProxy = `global
    nbthread 2
    stats socket {dir}/haproxy.sock mode 600 expose-fd listeners
    {more}
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
frontend web
    bind {address}
    default_backend app
backend app
    server one {backend}
`

const caddyProxy = `{
	admin {admin}
	persist_config off
	grace_period {more}
}
http://{address} {
	reverse_proxy {backend} {
		stream_close_delay {delay}
	}
}
`

// peers are those that are to be had, and why others are not.
func (o options) peers() (all []peer, missing []error) {
	host := func(how string) peer {
		return peer{name: "host " + how, files: map[string]string{"talk.php": talkScript, "host.toml": talkConfig},
			program: []string{o.host, "serve", "-c", "{dir}/host.toml", "--control", "{dir}/control"},
			replace: func(p *playing) error { return p.run(o.host, how, "--control", "{dir}/control") }}
	}
	all = append(all, host("reload"), host("upgrade"))
	if path, err := program("nginx", "nginx-light", "/usr/sbin/nginx"); err != nil {
		missing = append(missing, err)
	} else {
		start := []string{path, "-e", "{dir}/nginx-error.log", "-p", "{dir}", "-c", "{dir}/nginx.conf"}
		nginx := func(name, more string, replace func(*playing) error) peer {
			config := strings.NewReplacer("{more}", more, "{daemon}", "off").Replace(nginxProxy)
			return peer{name: "nginx " + name, program: start, replace: replace,
				files: map[string]string{"nginx.conf": config}}
		}
		// It takes USR2 only where whoever has started it has ended.
		upgrade := nginx("USR2, WINCH, QUIT", "", replaceNginx)
		upgrade.files["nginx.conf"] = strings.NewReplacer("{more}", "", "{daemon}", "on").Replace(nginxProxy)
		upgrade.program = []string{"/bin/sh", "-c", strings.Join(start, " ") + "; exec sleep 600"}
		upgrade.binary = path
		reload := func(p *playing) error { return p.run(append(start, "-s", "reload")...) }
		all = append(all, nginx("-s reload", "", reload),
			nginx("-s reload, worker_shutdown_timeout 10s", "worker_shutdown_timeout 10s;", reload),
			upgrade)
	}
	if path, err := program("haproxy", "haproxy", "/usr/sbin/haproxy"); err != nil {
		missing = append(missing, err)
	} else {
		for _, more := range []string{"", "hard-stop-after 10s"} {
			all = append(all, peer{name: strings.TrimSuffix("haproxy -W, USR2, "+more, ", "),
				files:   map[string]string{"haproxy.cfg": strings.Replace(haproxyProxy, "{more}", more, 1)},
				program: []string{path, "-W", "-db", "-f", "{dir}/haproxy.cfg"},
				replace: func(p *playing) error { return p.actor.command.Process.Signal(syscall.SIGUSR2) }})
		}
	}
	if path, err := exec.LookPath("caddy"); err != nil {
		missing = append(missing, err)
	} else {
		for _, delay := range []string{"0", "10s"} {
			config := strings.NewReplacer("{more}", "10s", "{delay}", delay).Replace(caddyProxy)
			all = append(all, peer{name: "caddy reload, stream_close_delay " + delay,
				files:   map[string]string{"Caddyfile": config},
				program: []string{path, "run", "--config", "{dir}/Caddyfile"},
				replace: func(p *playing) error {
					return p.run(path, "reload", "--force", "--config", "{dir}/Caddyfile", "--address", "{admin}")
				}})
		}
	}
	return all, missing
}

// run runs a command of the peer's to its end.
func (p *playing) run(words ...string) error {
	for i := range words {
		words[i] = p.fill.Replace(words[i])
	}
	command := exec.Command(words[0], words[1:]...)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(words, " "), err, out)
	}
	return nil
}

// replaceNginx has another process of nginx serve, and the workers of the first one, and that itself, end.
func replaceNginx(p *playing) error {
	pid := func() int {
		text, _ := os.ReadFile(filepath.Join(p.dir, "nginx.pid"))
		n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return n
	}
	first := pid()
	old, err := os.FindProcess(first)
	if err != nil {
		return err
	}
	if err := old.Signal(syscall.SIGUSR2); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if n := pid(); n != 0 && n != first {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no other nginx has come within 10 s")
		}
	}
	if err := old.Signal(syscall.SIGWINCH); err != nil {
		return err
	}
	return old.Signal(syscall.SIGQUIT)
}

// play starts a peer before the backend.
func (s *stage) play(ctx context.Context, p peer, o options, backend string) (*playing, error) {
	on := &playing{peer: p, dir: s.path(fmt.Sprintf("peer.%d", len(s.actors)))}
	var more [2]string
	var err error
	for _, address := range []*string{&on.address, &more[0], &more[1]} {
		if *address, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	sdk, err := filepath.Abs("sdk-php/autoload.php")
	if err == nil {
		err = os.Mkdir(on.dir, 0o755)
	}
	if err != nil {
		return nil, err
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user www-data;"
	}
	on.fill = strings.NewReplacer("{dir}", on.dir, "{address}", on.address, "{http}", on.address, "{tcp}", more[0],
		"{admin}", more[1], "{backend}", backend, "{user}", user, "{sdk}", "'"+sdk+"'", "{toAll}", toAll, "{held}",
		heldPath, "{workers}", strconv.Itoa(o.workers))
	for name, content := range p.files {
		if err := os.WriteFile(filepath.Join(on.dir, name), []byte(on.fill.Replace(content)), 0o644); err != nil {
			return nil, err
		}
	}
	if on.binary == "" {
		on.binary = p.program[0]
	}
	if on.binary, err = exec.LookPath(on.binary); err == nil {
		on.binary, err = filepath.EvalSymlinks(on.binary)
	}
	if err == nil {
		on.binary, err = filepath.Abs(on.binary)
	}
	if err != nil {
		return nil, err
	}
	words := []string{}
	for _, word := range p.program {
		words = append(words, on.fill.Replace(word))
	}
	if on.actor, err = s.start(filepath.Base(words[0]), exec.Command(words[0], words[1:]...)); err != nil {
		return nil, err
	}
	return on, on.actor.ready(ctx, "http://"+on.address+"/")
}

// serveBackend is what the proxies are before: it greets, and sends back what comes over a WebSocket, frame for frame.
func serveBackend() (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // ends with the program
		if r.Header.Get("Sec-Websocket-Key") == "" {
			io.WriteString(w, greeting)
			return
		}
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: %s\r\n\r\n", acceptOfKey)
		for {
			text, err := readText(both.Reader)
			if err != nil {
				return
			}
			if _, err := conn.Write(append([]byte{0x81, byte(len(text))}, text...)); err != nil {
				return
			}
		}
	}))
	return l.Addr().String(), nil
}

// The example of RFC 6455, section 1.3.
const (
	handshakeKey = "dGhlIHNhbXBsZSBub25jZQ=="
	acceptOfKey  = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// readText reads a short text frame, masked with zeros or not at all. A close frame is a closedBy.
func readText(r *bufio.Reader) (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	n := int(head[1] & 0x7f)
	if head[1]&0x80 != 0 {
		n += 4
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return "", err
	}
	if head[1]&0x80 != 0 {
		body = body[4:]
	}
	if head[0]&0x0f == 8 {
		if len(body) < 2 {
			return "", closedBy(1005)
		}
		return "", closedBy(int(body[0])<<8 | int(body[1]))
	}
	return string(body), nil
}

// closedBy is the code of a close frame.
type closedBy int

// Error has the code.
func (c closedBy) Error() string { return strconv.Itoa(int(c)) }
