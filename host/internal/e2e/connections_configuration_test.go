// host.toml read anew below open connections: what changes for them, and which of them end.

package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAReloadThatRemovesAListenerClosesItsConnectionsAlone(t *testing.T) {
	t.Parallel()
	k := startTalkTCP(t, "", "workers = 2")
	web, _, _ := strings.Cut(k.toml, "[[listen]]\naddress = \""+k.tcp)
	_, pool, _ := strings.Cut(k.toml, "[pool.web]")
	s, l := k.upgrade("/?name=stays"), k.line()
	must(t, l.tell("set name \"goes\""))
	must(t, l.tell("say set"))
	l.expect("set")
	write(t, k.dir, "host.toml", web+"[pool.web]"+pool)
	k.reload()
	if !l.closed() {
		t.Error("a connection of a listener that is gone stays open")
	}
	l.Close()
	k.awaitFarewell("goes tcp 1001 ")
	settle(s)
	if !refused(k.tcp) {
		t.Error("the listener is there still")
	}
	write(t, k.dir, "host.toml", k.toml)
	k.reload()
	again := k.line()
	must(t, again.tell("say again"))
	again.expect("again")
	settle(s)
}

func TestAReloadGivesOpenConnectionsTheirNewLimits(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "max_message = 2000", "workers = 1")
	s := k.upgrade("/?name=ann")
	s.say("say %s", strings.Repeat("x", 1500))
	s.expect(strings.Repeat("x", 1500))
	write(t, k.dir, "host.toml", strings.Replace(k.toml, "max_message = 2000", "max_message = 1000", 1))
	k.reload()
	s.say("say %s", strings.Repeat("x", 900))
	s.expect(strings.Repeat("x", 900))
	s.say("say %s", strings.Repeat("x", 1500))
	if code, _ := s.ends(); code != 1009 {
		t.Errorf("closed with %d", code)
	}
	write(t, k.dir, "host.toml", strings.Replace(k.toml, "max_message = 2000", "max_message = \"lots\"", 1))
	s = k.upgrade("/")
	if out, code := k.run("reload"); code != 1 || !strings.Contains(out, "max_message") {
		t.Errorf("host reload: exit %d\n%s", code, out)
	}
	settle(s)
}

func TestAPoolThatHandlesNoConnectionsSaysSo(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, `Worker::create()->onRequest(fn (Request $r) => Response::text('no socket here'))->run();`)
	addr, tcp := freeAddress(t), freeAddress(t)
	write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = \"tcp\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 1\n", addr, tcp))
	h := startWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	if s, a, err := h.tryUpgrade("/"); err != nil || s != nil || a.StatusCode != 200 || a.text != "no socket here" {
		t.Errorf("an upgrade that nobody handles is a request like any other: %v %v %v", s, a.Response, err)
	}
	if c := dialAt(h, tcp); !c.closed() {
		t.Error("a TCP connection that nobody handles stays open")
	}
	h.logs.await(t, "onMessage")
	// With the next version it does.
	writePHP(t, dir, `$w = Worker::create(); $w->onRequest(fn (Request $r) => 'x')->onMessage(fn ($c, string $data) => $c->send($data))->run();`)
	h.reload()
	s := h.upgrade("/")
	s.say("now")
	s.expect("now")
	l := &line{dialAt(h, tcp)}
	must(t, l.tell("now"))
	l.expect("now")
}

func TestConnectionsOverTLSOutliveReloads(t *testing.T) {
	t.Parallel()
	dir, addr, secure, tcp := t.TempDir(), freeAddress(t), freeAddress(t), freeAddress(t)
	certificate(t, dir, 1)
	k := &talk{dir: dir}
	k.deploy(t, "1")
	const files = "tls = { certificate = \"cert.pem\", key = \"key.pem\" }\n"
	write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\n%s[[listen]]\naddress = %q\nprotocol = \"tcp\"\n%s[pool.web]\nworker = \"worker.php\"\nworkers = 2\n", addr, secure, files, tcp, files))
	k.host = startWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	c := newCrowd(t, 100*time.Millisecond)
	dial := func(address string) (*client, error) {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err != nil {
			return nil, err
		}
		return &client{conn, t, newReader(conn)}, nil
	}
	c.join(25, "WebSocket over TLS", func() (talker, error) {
		conn, err := dial(secure)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(conn, handshake, "/", secure, "")
		for line := ""; line != "\r\n"; {
			if line, err = conn.r.ReadString('\n'); err != nil {
				return nil, err
			}
		}
		return &socket{conn}, nil
	})
	c.join(25, "TCP over TLS", func() (talker, error) {
		conn, err := dial(tcp)
		return &line{conn}, err
	})
	for version := 2; version <= 4; version++ {
		certificate(t, dir, int64(version))
		k.deploy(t, fmt.Sprint(version))
		k.reload()
		killNow(t, k.pids()[0])
		time.Sleep(300 * time.Millisecond)
	}
	c.end()
}
