// host.toml read anew below open connections: what changes for them, and which of them end.

package connections

import (
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAReloadThatRemovesAListenerClosesItsConnectionsAlone(t *testing.T) {
	t.Parallel()
	k := harness.StartTalkTCP(t, "", "workers = 2")
	web, _, _ := strings.Cut(k.Toml, "[[listen]]\naddress = \""+k.TCP)
	_, pool, _ := strings.Cut(k.Toml, "[pool.web]")
	s, l := k.Upgrade("/?name=stays"), k.Line()
	harness.Must(t, l.Tell("set name \"goes\""))
	harness.Must(t, l.Tell("say set"))
	l.Expect("set")
	harness.Write(t, k.Dir, "host.toml", web+"[pool.web]"+pool)
	k.Reload()
	if !l.Closed() {
		t.Error("a connection of a listener that is gone stays open")
	}
	l.Close()
	k.AwaitFarewell("goes tcp 1001 ")
	settle(s)
	if !harness.Refused(k.TCP) {
		t.Error("the listener is there still")
	}
	harness.Write(t, k.Dir, "host.toml", k.Toml)
	k.Reload()
	again := k.Line()
	harness.Must(t, again.Tell("say again"))
	again.Expect("again")
	settle(s)
}

func TestAReloadGivesOpenConnectionsTheirNewLimits(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "max_message = 2000", "workers = 1")
	s := k.Upgrade("/?name=ann")
	s.Say("say %s", strings.Repeat("x", 1500))
	s.Expect(strings.Repeat("x", 1500))
	harness.Write(t, k.Dir, "host.toml", strings.Replace(k.Toml, "max_message = 2000", "max_message = 1000", 1))
	k.Reload()
	s.Say("say %s", strings.Repeat("x", 900))
	s.Expect(strings.Repeat("x", 900))
	s.Say("say %s", strings.Repeat("x", 1500))
	if code, _ := s.Ends(); code != 1009 {
		t.Errorf("closed with %d", code)
	}
	harness.Write(t, k.Dir, "host.toml", strings.Replace(k.Toml, "max_message = 2000", "max_message = \"lots\"", 1))
	s = k.Upgrade("/")
	if out, code := k.Run("reload"); code != 6 || !strings.Contains(out, "max_message") {
		t.Errorf("host reload: exit %d\n%s", code, out)
	}
	settle(s)
}

func TestAPoolThatHandlesNoConnectionsSaysSo(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t,
		`Worker::create()->onRequest(fn (Request $r) => Response::text('no socket here'))->run();`)
	addr, tcp := harness.FreeAddress(t), harness.FreeAddress(t)
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = "+
		"\"tcp\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 1\n", addr, tcp))
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	if s, a, err := h.TryUpgrade("/"); err != nil || s != nil || a.StatusCode != 200 || a.Text != "no socket here" {
		t.Errorf("an upgrade that nobody handles is a request like any other: %v %v %v", s, a.Response, err)
	}
	if c := dialAt(h, tcp); !c.Closed() {
		t.Error("a TCP connection that nobody handles stays open")
	}
	h.Logs.Await(t, "onMessage")
	// With the next version it does.
	harness.WritePHP(t, dir,
		`$w = Worker::create(); $w->onRequest(fn (Request $r) => 'x')->onMessage(fn ($c, string $data) => $c->send($data))->run();`)
	h.Reload()
	s := h.Upgrade("/")
	s.Say("now")
	s.Expect("now")
	l := &harness.Line{Client: dialAt(h, tcp)}
	harness.Must(t, l.Tell("now"))
	l.Expect("now")
}

func TestConnectionsOverTLSOutliveReloads(t *testing.T) {
	t.Parallel()
	dir, addr, secure, tcp := t.TempDir(), harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t)
	harness.Certificate(t, dir, 1)
	k := &harness.Talk{Dir: dir}
	k.Deploy(t, "1")
	const files = "tls = { certificate = \"cert.pem\", key = \"key.pem\" }\n"
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = "+
		"%q\n%s[[listen]]\naddress = %q\nprotocol = \"tcp\"\n%s[pool.web]\nworker = \"worker.php\"\nworkers = 2\n",
		addr, secure, files, tcp, files))
	k.Host = harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	c := harness.NewCrowd(t, 100*time.Millisecond)
	dial := func(address string) (*harness.Client, error) {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address,
			&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err != nil {
			return nil, err
		}
		return harness.NewClient(t, conn), nil
	}
	c.Join(25, "WebSocket over TLS", func() (harness.Talker, error) {
		conn, err := dial(secure)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(conn, harness.Handshake, "/", secure, "")
		for line := ""; line != "\r\n"; {
			if line, err = conn.Reader.ReadString('\n'); err != nil {
				return nil, err
			}
		}
		return &harness.Socket{Client: conn}, nil
	})
	c.Join(25, "TCP over TLS", func() (harness.Talker, error) {
		conn, err := dial(tcp)
		return &harness.Line{Client: conn}, err
	})
	for version := 2; version <= 4; version++ {
		harness.Certificate(t, dir, int64(version))
		k.Deploy(t, fmt.Sprint(version))
		k.Reload()
		harness.KillNow(t, k.PIDs()[0])
		time.Sleep(300 * time.Millisecond)
	}
	c.End()
}
