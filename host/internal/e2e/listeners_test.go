// Listeners of TCP and UDP: they come, change and go with host.toml, and say so when nobody can use them.

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const echoWorker = `
$worker = Worker::create();
$worker->onMessage(fn (WorkerHost\Connection $c, string $data) => $c->send("$c->protocol: $data"))->onRequest(fn () => Response::text('ok'))->run();
`

// peer is a client of lines or of datagrams.
type peer struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func dialPeer(t *testing.T, network, address string) *peer {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() { c.Close() })
	return &peer{c, t, bufio.NewReaderSize(c, 64<<10)}
}

func (p *peer) ask(send, want string) {
	p.t.Helper()
	if _, err := io.WriteString(p, send); err != nil {
		p.t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(p.in, got); err != nil || string(got) != want {
		p.t.Fatalf("%q was answered with %q, %v; expected %q", send, got, err, want)
	}
}

func TestAReloadAddsChangesAndRemovesListenersOfTCPAndUDP(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, echoWorker)
	http, first, second := freeAddress(t), freeAddress(t), freeAddress(t)
	configure := func(listeners string) {
		write(t, dir, "host.toml", fmt.Sprintf("%s\n[[listen]]\naddress = %q\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n", listeners, http))
	}
	tcp := func(address, more string) string {
		return fmt.Sprintf("[[listen]]\naddress = %q\nprotocol = \"tcp\"\n%s\n", address, more)
	}
	configure(tcp(first, ""))
	h := startWith(t, http, "-c", filepath.Join(dir, "host.toml"))
	lines := dialPeer(t, "tcp", first)
	lines.ask("one\n", "tcp: one\n")

	// a listener more, datagrams at the port of another, and a smaller limit for connections that are open
	configure(tcp(first, "max_message = 5") + tcp(second, "framing = \"length16\"") + fmt.Sprintf("[[listen]]\naddress = %q\nprotocol = \"udp\"\n", first))
	if out := h.reload(); !strings.Contains(out, "max_message 1MiB → 5") || strings.Count(out, "added") != 2 {
		t.Errorf("the report says:\n%s", out)
	}
	lines.ask("fives\n", "tcp: fives\n")
	dialPeer(t, "tcp", first).ask("good\nsixsix\n", "tcp: good\n")
	dialPeer(t, "tcp", second).ask("\x00\x03two", "\x00\x08tcp: two")
	dialPeer(t, "udp", first).ask("three", "udp: three")
	if out, code := h.run("status"); code != 0 || !strings.Contains(out, "udp") || strings.Contains(out, "turns clients away") {
		t.Errorf("host status: exit %d\n%s", code, out)
	}

	// another framing is for those that come; what is removed lets its clients go
	gone := dialPeer(t, "tcp", second)
	gone.ask("\x00\x01x", "\x00\x06tcp: x")
	configure(tcp(first, "delimiter = \";\""))
	left := make(chan error, 1)
	go func() {
		_, err := gone.in.ReadByte()
		gone.Close()
		left <- err
	}()
	if out := h.reload(); strings.Count(out, "removed") != 2 {
		t.Errorf("the report says:\n%s", out)
	}
	lines.ask("four\n", "tcp: four\n")
	dialPeer(t, "tcp", first).ask("five;six;", "tcp: five;tcp: six;")
	if err := <-left; err != io.EOF {
		t.Errorf("a client of a listener that was removed got %v", err)
	}
	if c, err := net.Dial("tcp", second); err == nil {
		c.Close()
		t.Error("a listener that was removed accepts")
	}

	// a protocol of its own needs a restart, and all else goes on as it was
	configure(fmt.Sprintf("[[listen]]\naddress = %q\n", first))
	if out := h.reload(); !strings.Contains(out, "protocol tcp → http") || !strings.Contains(out, "restart") {
		t.Errorf("the report says:\n%s", out)
	}
	lines.ask("seven\n", "tcp: seven\n")
	dialPeer(t, "tcp", first).ask("eight;", "tcp: eight;")
}

func TestAListenerOfTCPBeforeWorkersThatOnlyKnowRequestsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, `Worker::create()->onRequest(fn () => Response::text('ok'))->run();`)
	http, tcp := freeAddress(t), freeAddress(t)
	write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = \"tcp\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 1\n", http, tcp))
	h := startWith(t, http, "-c", filepath.Join(dir, "host.toml"))
	c := dialPeer(t, "tcp", tcp)
	if _, err := c.in.ReadByte(); err != io.EOF {
		t.Errorf("the client got %v", err)
	}
	h.logs.await(t, "clients are turned away")
	h.logs.await(t, "onMessage")
	if out, _ := h.run("status"); !strings.Contains(out, "turns clients away") || !strings.Contains(out, "onMessage") {
		t.Errorf("host status:\n%s", out)
	}
	writePHP(t, dir, echoWorker)
	h.reload()
	dialPeer(t, "tcp", tcp).ask("now\n", "tcp: now\n")
}

func TestStopTellsTCPClientsAndTheirHandlers(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, `
$worker = Worker::create();
$worker->onMessage(fn (WorkerHost\Connection $c, string $data) => $c->send($data))
	->onClose(function (WorkerHost\Connection $c, int $code) { file_put_contents(__DIR__ . '/closed', "$code\n", FILE_APPEND | LOCK_EX); })->run();
`)
	tcp := freeAddress(t)
	write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\nprotocol = \"tcp\"\nshutdown_spread = \"500ms\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n", tcp))
	h := startWith(t, tcp, "-c", filepath.Join(dir, "host.toml"))
	var all []*peer
	for i := range 20 {
		p := dialPeer(t, "tcp", tcp)
		p.ask(fmt.Sprintf("%d\n", i), fmt.Sprintf("%d\n", i))
		all = append(all, p)
	}
	told := func() []string {
		b, _ := os.ReadFile(filepath.Join(dir, "closed"))
		return strings.Fields(string(b))
	}
	h.eventually("whoever looked whether the port is open has left", func() bool { return len(told()) == 1 })
	stopped, began := make(chan int, 1), time.Now()
	go func() { _, code := h.run("stop"); stopped <- code }()
	for _, p := range all {
		if _, err := p.in.ReadByte(); err != io.EOF {
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
	<-h.exited
	if codes := told()[1:]; len(codes) != len(all) || slices.ContainsFunc(codes, func(c string) bool { return c != "1001" }) {
		t.Errorf("onClose was told %v", codes)
	}
}
