//go:build linux

package operate

import (
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
	"golang.org/x/sys/unix"
)

// manager is the socket on which systemd listens to a service. It reads at once what comes: the kernel keeps ten
// messages. It keeps descriptors as systemd does.
type manager struct {
	t     *testing.T
	heard chan string

	mu    sync.Mutex
	store map[string]*os.File // guarded by mu
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") // short: socket paths are limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	m := &manager{t: t, heard: make(chan string, 1000), store: map[string]*os.File{}}
	go func() {
		defer close(m.heard)
		buffer, rights := make([]byte, 4096), make([]byte, 4096)
		for {
			n, with, _, _, err := conn.ReadMsgUnix(buffer, rights)
			if err != nil {
				return
			}
			m.keep(string(buffer[:n]), rights[:with])
			m.heard <- string(buffer[:n])
		}
	}()
	return m
}

// keep does what a message says of the descriptors that came with it, or earlier.
func (m *manager) keep(message string, rights []byte) {
	said := map[string]string{}
	for line := range strings.SplitSeq(message, "\n") {
		key, value, _ := strings.Cut(line, "=")
		said[key] = value
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if said["FDSTOREREMOVE"] == "1" {
		m.store[said["FDNAME"]].Close()
		delete(m.store, said["FDNAME"])
	}
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		m.t.Error(err)
	}
	for _, one := range messages {
		fds, err := unix.ParseUnixRights(&one)
		if err != nil {
			m.t.Error(err)
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			f := os.NewFile(uintptr(fd), said["FDNAME"])
			if said["FDSTORE"] != "1" || m.store[said["FDNAME"]] != nil { // a barrier, or no other one than before
				f.Close()
			} else {
				m.store[said["FDNAME"]] = f
			}
		}
	}
}

// kept are what it keeps: the names, and the descriptors in their order.
func (m *manager) kept() (names string, sockets []*os.File) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Sorted(maps.Keys(m.store))
	for _, name := range all {
		sockets = append(sockets, m.store[name])
	}
	return strings.Join(all, ":"), sockets
}

// hears waits for a message with the line, and returns all messages up to it.
func (m *manager) hears(line string) (before []string) {
	m.t.Helper()
	late := time.After(60 * time.Second)
	for {
		select {
		case message := <-m.heard:
			before = append(before, message)
			for l := range strings.SplitSeq(message, "\n") {
				if strings.HasPrefix(l, line) {
					return before
				}
			}
		case <-late:
			m.t.Fatalf("systemd never heard %s, but %q", line, before)
		}
	}
}

func TestSystemdHearsOfReadinessReloadsLifeAndTheStop(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "300000")
	h := harness.Start(t, "-n", "2", harness.PHPWorker(t, `Worker::create()->onRequest(fn (Request $r): Response => Response::text(
		var_export(getenv('NOTIFY_SOCKET'), true) . var_export(getenv('WATCHDOG_USEC'), true)))->run();`))
	if before := m.hears("READY=1"); !strings.Contains(before[len(before)-1], "generation 1, 2 workers") {
		t.Errorf("status: %q", before)
	}
	m.hears("WATCHDOG=1")
	if _, body := h.Get("/"); body != "falsefalse" {
		t.Errorf("a worker has systemd's variables: %s", body)
	}
	h.Reload()
	if before := m.hears("RELOADING=1"); !strings.Contains(before[len(before)-1], "\nMONOTONIC_USEC=") ||
		!strings.Contains(before[len(before)-1], "\nEXTEND_TIMEOUT_USEC=") {
		t.Errorf("%q", before)
	}
	m.hears("READY=1")
	h.Run("stop")
	for _, message := range m.hears("STOPPING=1") {
		if strings.Contains(message, "RELOADING") {
			t.Errorf("after the reload: %q", message)
		}
	}
	<-h.Exited
}

func TestSystemdIsNotToldThatAHostIsReadyWhoseWorkersFail(t *testing.T) {
	m := newManager(t)
	dir := harness.PHPWorker(t, `throw new Exception('no database');`)
	h := harness.Launch(t, harness.FreeAddress(t), "-l", "127.0.0.1:0", "-n", "1", dir)
	h.Logs.Await(t, "no database")
	harness.WritePHP(t, dir,
		`Worker::create()->onRequest(fn (Request $r): Response => Response::text('hello'))->run();`)
	if before := m.hears("READY=1"); len(before) != 1 {
		t.Errorf("before the host was ready: %q", before)
	}
}

func TestTheSystemdUnitIsValid(t *testing.T) {
	const unit = "examples/systemd/workerhost.service"
	text, err := os.ReadFile(filepath.Join(harness.Repository, unit))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"Type=notify", "KillMode=mixed", "WatchdogSec=", "NoNewPrivileges=true",
		"ProtectSystem=strict", "StateDirectory=host ", "ExecReload=/usr/local/bin/host reload -c "} {
		if !strings.Contains(string(text), "\n"+line) {
			t.Errorf("%s has no line %s", unit, line)
		}
	}
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not here: only the text was checked")
		return
	}
	path := filepath.Join(t.TempDir(), "workerhost.service") // with a program that exists, since that is checked, too
	there := strings.ReplaceAll(string(text), "/usr/local/bin/host", harness.HostBinary)
	if err := os.WriteFile(path, []byte(there), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(verify, "verify", "--man=no", path).CombinedOutput(); err != nil ||
		strings.Contains(string(out), "workerhost.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
