package operate

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// unit is what systemd has of a socket unit: its sockets, which listen as long as the test goes on.
func unit(t *testing.T, addresses ...string) (sockets []*os.File) {
	t.Helper()
	for _, address := range addresses {
		network := "tcp"
		if path, ok := strings.CutPrefix(address, "unix:"); ok {
			network, address = "unix", path
		}
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		if own, ok := l.(*net.UnixListener); ok {
			own.SetUnlinkOnClose(false)
		}
		f, err := l.(interface{ File() (*os.File, error) }).File()
		if l.Close(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		sockets = append(sockets, f)
	}
	return sockets
}

// ask fetches a path at an address, of a unix socket as well.
func ask(t *testing.T, address, path string) (string, error) {
	t.Helper()
	network := "tcp"
	if file, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", file
	}
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}}}
	resp, err := client.Get("http://host" + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

const openFiles = `Worker::create()->onRequest(fn (Request $r): Response => Response::text('hello '
	. getenv('LISTEN_FDS') . getenv('LISTEN_PID') . getenv('LISTEN_FDNAMES')
	. implode(' ', array_map(fn ($f) => @readlink("/proc/self/fd/$f"), scandir('/proc/self/fd')))))->run();`

func TestAHostServesWhatItIsPassedAndLeavesItToWhoeverPassedIt(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, openFiles)
	at := []string{harness.FreeAddress(t), "unix:" + filepath.Join(shortFolder(t), "app.sock"), harness.FreeAddress(t),
		harness.FreeAddress(t)}
	sockets := unit(t, at...)
	configure := func(addresses ...string) {
		text := "[pool.web]\nworker = \"worker.php\"\nworkers = 1\n"
		for _, address := range addresses {
			text = fmt.Sprintf("[[listen]]\naddress = %q\n", address) + text
		}
		harness.Write(t, dir, "host.toml", text)
	}
	configure(at[0], at[1], "fd:extra")
	h := harness.LaunchPassed(t, "web:file:extra:nobody", sockets, at[0], "-c", filepath.Join(dir, "host.toml"))
	h.AwaitReady()
	h.Logs.Await(t, "nobody serves a socket that the service manager has passed")
	served := func(addresses ...string) {
		t.Helper()
		for _, address := range addresses {
			body, err := ask(t, address, "/")
			if err != nil || !strings.HasPrefix(body, "hello  ") {
				t.Fatalf("%s: %q %v", address, body, err)
			}
			for _, s := range sockets {
				info, err := s.Stat() // and not by its Fd, which would have the host's accept block
				if err != nil {
					t.Fatal(err)
				}
				inode := fmt.Sprintf("socket:[%d]", info.Sys().(*syscall.Stat_t).Ino)
				if strings.Contains(body, inode) {
					t.Errorf("a worker has %s: %s", inode, body)
				}
			}
		}
	}
	served(at[:3]...)
	configure(at[0], at[1])
	h.Reload()
	configure(at[0], at[1], "fd:extra", at[3]) // the sockets that nobody served for a while
	h.Reload()
	served(at...)
	if out, code := h.Run("upgrade"); code != 0 {
		t.Fatalf("host upgrade: exit %d\n%s", code, out)
	}
	served(at...)
	configure(at[0])
	h.Reload()
	configure(at[0], at[1], at[2], at[3])
	h.Reload()
	served(at...)
	h.Run("stop")
	<-h.Exited
	for _, address := range at {
		c, err := net.Dial(map[bool]string{true: "unix", false: "tcp"}[strings.HasPrefix(address, "unix:")],
			strings.TrimPrefix(address, "unix:"))
		if err != nil {
			t.Errorf("whoever passed %s does not listen there any more: %v", address, err)
			continue
		}
		c.Close()
	}
}

func shortFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "a") // socket paths are limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestAHostDoesNotStartWithASocketOfTheWrongKind(t *testing.T) {
	t.Parallel()
	dir, at := harness.PHPWorker(t, openFiles), harness.FreeAddress(t)
	harness.Write(t, dir, "host.toml", "[[listen]]\naddress = \"fd:web\"\nprotocol = \"udp\"\n[pool.web]\n"+
		"worker = \"worker.php\"\n")
	h := harness.LaunchPassed(t, "web", unit(t, at), at, "-c", filepath.Join(dir, "host.toml"))
	<-h.Exited
	if want := "listener fd:web is of UDP: write ListenDatagram="; !strings.Contains(h.Logs.String(), want) {
		t.Errorf("it does not say %q:\n%s", want, h.Logs.End())
	}
}

// What waits when a host dies is served by the next one, over TCP and at a unix socket, and nobody is refused
// meanwhile. What a reload removes is free at once.
func TestAHostThatDiesLeavesItsSocketsToTheNextOne(t *testing.T) {
	m := newManager(t)
	t.Setenv("FDSTORE", "4")
	dir, at := harness.PHPWorker(t, openFiles), harness.FreeAddress(t)
	file, removed := "unix:"+filepath.Join(shortFolder(t), "app.sock"), harness.FreeAddress(t)
	pool := "[pool.web]\nworker = \"worker.php\"\nworkers = 1\n"
	config := fmt.Sprintf("[admin]\nlisten = %q\n[[listen]]\naddress = %q\n[[listen]]\naddress = %q\n",
		harness.FreeAddress(t), at, file)
	harness.Write(t, dir, "host.toml", config+fmt.Sprintf("[[listen]]\naddress = %q\n", removed)+pool)
	arguments := []string{"-c", filepath.Join(dir, "host.toml")}
	h := harness.StartWith(t, at, arguments...)
	m.hears("READY=1")
	if names, _ := m.kept(); strings.Count(names, "host.stream.") != 4 {
		t.Errorf("%q are kept", names)
	}
	harness.Write(t, dir, "host.toml", config+pool)
	h.Reload()
	l, err := net.Listen("tcp", removed)
	if err != nil {
		t.Fatalf("after the reload that removed it: %v", err)
	}
	l.Close()
	for range 2 {
		harness.KillNow(t, h.Status().PID)
		<-h.Exited // with all that had its output, such as the host after an upgrade
		answers := make(chan error, 2)
		for _, address := range []string{at, file} {
			go func() {
				body, err := ask(t, address, "/")
				if err == nil && !strings.HasPrefix(body, "hello ") {
					err = fmt.Errorf("answered %q", body)
				}
				answers <- err
			}()
		}
		names, sockets := m.kept()
		h = harness.LaunchPassed(t, names, sockets, at, arguments...)
		for range 2 {
			if err := <-answers; err != nil {
				t.Errorf("a client that came when no host was there: %v", err)
			}
		}
		h.AwaitReady()
		before := h.Status().PID
		if out, code := h.Run("upgrade"); code != 0 { // the next one goes on with what is kept
			t.Fatalf("host upgrade: exit %d\n%s", code, out)
		}
		harness.AwaitGone(t, before)
	}
	harness.KillNow(t, h.Status().PID)
	<-h.Exited
}

func TestAHostThatIsRestartedListensAtAnotherAddressOfAPort(t *testing.T) {
	m := newManager(t)
	t.Setenv("FDSTORE", "4")
	dir, at := harness.PHPWorker(t, openFiles), harness.FreeAddress(t)
	_, port, _ := strings.Cut(at, ":")
	configure := func(host string) {
		harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = \"%s:%s\"\n[pool.web]\n"+
			"worker = \"worker.php\"\nworkers = 1\n", host, port))
	}
	configure("127.0.0.1")
	arguments := []string{"-c", filepath.Join(dir, "host.toml")}
	h := harness.StartWith(t, at, arguments...)
	m.hears("READY=1")
	h.Run("stop")
	<-h.Exited
	names, sockets := m.kept()
	configure("")
	h = harness.LaunchPassed(t, names, sockets, at, arguments...)
	h.AwaitReady()
	if names, _ := m.kept(); names != "host.stream.%3A"+port {
		t.Errorf("%q are kept", names)
	}
}
