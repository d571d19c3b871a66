// Listeners of TCP and UDP: they come, change and go with host.toml, and say so when nobody can use them.

package web

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

const echoWorker = `
$worker = Worker::create();
$worker->onMessage(fn (WorkerHost\Connection $c, string $data) => $c->send("$c->protocol: $data"))->onRequest(fn () => Response::text('ok'))->run();
`

func TestAReloadAddsChangesAndRemovesListenersOfTCPAndUDP(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, echoWorker)
	http, first, second := harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t)
	configure := func(listeners string) {
		harness.Write(t, dir, "host.toml", fmt.Sprintf(
			"%s\n[[listen]]\naddress = %q\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n", listeners, http))
	}
	tcp := func(address, more string) string {
		return fmt.Sprintf("[[listen]]\naddress = %q\nprotocol = \"tcp\"\n%s\n", address, more)
	}
	configure(tcp(first, ""))
	h := harness.StartWith(t, http, "-c", filepath.Join(dir, "host.toml"))
	lines := harness.DialPeer(t, "tcp", first)
	lines.Ask("one\n", "tcp: one\n")

	// a listener more, datagrams at the port of another, and a smaller limit for connections that are open
	configure(tcp(first, "max_message = 5") + tcp(second, "framing = \"length16\"") +
		fmt.Sprintf("[[listen]]\naddress = %q\nprotocol = \"udp\"\n", first))
	if out := h.Reload(); !strings.Contains(out, "max_message 1MiB → 5") || strings.Count(out, "added") != 2 {
		t.Errorf("the report says:\n%s", out)
	}
	lines.Ask("fives\n", "tcp: fives\n")
	harness.DialPeer(t, "tcp", first).Ask("good\nsixsix\n", "tcp: good\n")
	harness.DialPeer(t, "tcp", second).Ask("\x00\x03two", "\x00\x08tcp: two")
	harness.DialPeer(t, "udp", first).Ask("three", "udp: three")
	if out, code := h.Run("status"); code != 0 || !strings.Contains(out, "udp") ||
		strings.Contains(out, "turns clients away") {
		t.Errorf("host status: exit %d\n%s", code, out)
	}

	// another framing is for those that come; what is removed lets its clients go
	gone := harness.DialPeer(t, "tcp", second)
	gone.Ask("\x00\x01x", "\x00\x06tcp: x")
	configure(tcp(first, "delimiter = \";\""))
	left := make(chan error, 1)
	go func() {
		_, err := gone.In.ReadByte()
		gone.Close()
		left <- err
	}()
	if out := h.Reload(); strings.Count(out, "removed") != 2 {
		t.Errorf("the report says:\n%s", out)
	}
	lines.Ask("four\n", "tcp: four\n")
	harness.DialPeer(t, "tcp", first).Ask("five;six;", "tcp: five;tcp: six;")
	if err := <-left; err != io.EOF {
		t.Errorf("a client of a listener that was removed got %v", err)
	}
	if c, err := net.Dial("tcp", second); err == nil {
		c.Close()
		t.Error("a listener that was removed accepts")
	}

	// a protocol of its own needs a restart, and all else goes on as it was
	configure(fmt.Sprintf("[[listen]]\naddress = %q\n", first))
	if out := h.Reload(); !strings.Contains(out, "protocol tcp → http") || !strings.Contains(out, "restart") {
		t.Errorf("the report says:\n%s", out)
	}
	lines.Ask("seven\n", "tcp: seven\n")
	harness.DialPeer(t, "tcp", first).Ask("eight;", "tcp: eight;")
}

func TestAListenerOfTCPBeforeWorkersThatOnlyKnowRequestsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `Worker::create()->onRequest(fn () => Response::text('ok'))->run();`)
	http, tcp := harness.FreeAddress(t), harness.FreeAddress(t)
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = "+
		"\"tcp\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 1\n", http, tcp))
	h := harness.StartWith(t, http, "-c", filepath.Join(dir, "host.toml"))
	c := harness.DialPeer(t, "tcp", tcp)
	if _, err := c.In.ReadByte(); err != io.EOF {
		t.Errorf("the client got %v", err)
	}
	h.Logs.Await(t, "clients are turned away")
	h.Logs.Await(t, "onMessage")
	if out, _ := h.Run("status"); !strings.Contains(out, "turns clients away") || !strings.Contains(out, "onMessage") {
		t.Errorf("host status:\n%s", out)
	}
	harness.WritePHP(t, dir, echoWorker)
	h.Reload()
	harness.DialPeer(t, "tcp", tcp).Ask("now\n", "tcp: now\n")
}

func TestStopTellsTCPClientsAndTheirHandlers(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
$worker = Worker::create();
$worker->onMessage(fn (WorkerHost\Connection $c, string $data) => $c->send($data))
	->onClose(function (WorkerHost\Connection $c, int $code) { file_put_contents(__DIR__ . '/closed', "$code\n", FILE_APPEND | LOCK_EX); })->run();
`)
	tcp := harness.FreeAddress(t)
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\nprotocol = \"tcp\"\nshutdown_spread = "+
		"\"500ms\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n", tcp))
	h := harness.StartWith(t, tcp, "-c", filepath.Join(dir, "host.toml"))
	var all []*harness.Peer
	for i := range 20 {
		p := harness.DialPeer(t, "tcp", tcp)
		p.Ask(fmt.Sprintf("%d\n", i), fmt.Sprintf("%d\n", i))
		all = append(all, p)
	}
	told := func() []string {
		b, _ := os.ReadFile(filepath.Join(dir, "closed"))
		return strings.Fields(string(b))
	}
	h.Eventually("whoever looked whether the port is open has left", func() bool { return len(told()) == 1 })
	stopped, began := make(chan int, 1), time.Now()
	go func() { _, code := h.Run("stop"); stopped <- code }()
	for _, p := range all {
		if _, err := p.In.ReadByte(); err != io.EOF {
			t.Errorf("a client read %v", err)
		}
		p.Close()
	}
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("all clients were told within %v", took)
	}
	if code := <-stopped; code != 0 {
		t.Errorf("host stop: exit %d", code)
	}
	<-h.Exited
	if codes := told()[1:]; len(codes) != len(all) || slices.ContainsFunc(codes, func(c string) bool {
		return c != "1001"
	}) {
		t.Errorf("onClose was told %v", codes)
	}
}
