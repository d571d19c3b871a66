package upgrade

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// upgraded has the host replaced, and returns the pids of the one before and of the one that serves then.
func upgraded(t *testing.T, h *harness.Host, arguments ...string) (before, now int) {
	t.Helper()
	before = h.Status().PID
	out, code := h.Run("upgrade", arguments...)
	if code != 0 {
		t.Fatalf("host upgrade: exit %d\n%s", code, out)
	}
	now = h.Status().PID
	if now == before || !strings.Contains(out, fmt.Sprintf("pid %d serves", now)) {
		t.Errorf("pid %d after %d:\n%s", now, before, out)
	}
	return before, now
}

func TestUpgradesUnderLoadRefuseNoConnectionAndFailNoRequest(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 2\ndrain_timeout = \"5s\"", "")
	first := h.Cmd.Process.Pid
	load := kept(harness.NewLoad(h).Fresh(4), 4).Posts(2, 40_000, "length").Posts(1, 100_000, "chunked")
	gone := h.PIDs()
	for i := range 3 {
		if i == 1 {
			harness.DeployPages(t, dir, "2")
		}
		before, _ := upgraded(t, h)
		if before != first {
			gone = append(gone, before)
		}
		gone = append(gone, h.PIDs()...)
	}
	workers := h.PIDs()
	load.Stop()
	if h.Status().PID == first {
		t.Error("the first process still serves")
	}
	if _, page := h.Get("/hello"); page != "hello 2" {
		t.Errorf("the new code does not serve: %s", page)
	}
	if out, code := h.Run("reload"); code != 0 {
		t.Errorf("host reload after it: exit %d\n%s", code, out)
	}
	out, code := h.Run("releases", "--json", "-n", "0")
	if n := strings.Count(out, `"act":"upgrade"`); code != 0 || n != 3 {
		t.Errorf("the journal has %d upgrades:\n%s", n, out)
	}
	serving := h.Status().PID
	if out, code := h.Run("stop"); code != 0 {
		t.Errorf("host stop: exit %d\n%s", code, out)
	}
	<-h.Exited
	if h.Err != nil {
		t.Errorf("the process that was started first ended with %v", h.Err)
	}
	harness.AwaitGone(t, append(append(gone, workers...), serving)...)
}

// kept runs n clients that use a connection for as long as the answers let them.
func kept(l *harness.Load, n int) *harness.Load {
	for range n {
		var c *harness.Client
		l.Run(1, "kept connection", func() (err error) {
			if c == nil {
				if c, err = l.H.TryDial(); err != nil {
					return err
				}
			}
			if _, err := fmt.Fprint(c, "GET /hello HTTP/1.1\r\nHost: here\r\n\r\n"); err != nil {
				return err
			}
			a, err := c.Try("GET")
			if err == nil && a.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s", a.Status, a.Text)
			}
			if err == nil && a.Close {
				c.Close()
				c = nil
			}
			return err
		})
	}
	return l
}

// The process that was started first stays for whoever waits for it, and there is never more than one such.
func TestWhoeverStartedTheFirstHostWaitsForTheLast(t *testing.T) {
	t.Parallel()
	h := harness.StartPHP(t, harness.Pages(t, "1"), "", "workers = 1", "")
	for range 3 {
		before, now := upgraded(t, h)
		if before != h.Cmd.Process.Pid {
			harness.AwaitGone(t, before)
		}
		h.Eventually("the first process has the serving one as its only child", func() bool {
			below := harness.Children(t, h.Cmd.Process.Pid)
			return len(below) == 1 && below[0] == now
		})
	}
	serving := h.Status().PID
	h.Kill(syscall.SIGUSR1)
	h.Eventually("a signal reaches the serving host", func() bool { return h.Status().Pools[0].Generation == 5 })
	harness.KillNow(t, serving)
	<-h.Exited
	if code := h.Cmd.ProcessState.ExitCode(); code != 128+9 {
		t.Errorf("it ended with status %d", code)
	}
}

func TestNoHostOutlivesTheProcessThatWasStarted(t *testing.T) {
	t.Parallel()
	h := harness.StartPHP(t, harness.Pages(t, "1"), "", "workers = 1", "")
	_, now := upgraded(t, h)
	workers := h.PIDs()
	h.Eventually("it keeps", func() bool { return strings.Contains(h.Logs.String(), "stopped: uptime") })
	h.Kill(syscall.SIGKILL)
	harness.AwaitGone(t, append(workers, now)...)
}

func TestInAContainerTheFirstProcessWaitsForEachHost(t *testing.T) {
	t.Parallel()
	addr := harness.FreeAddress(t)
	h := harness.LaunchAs(t, []string{harness.HostBinary, "pid1"}, addr, "-l", addr, "-n", "1", harness.Pages(t, "1"))
	h.AwaitReady()
	for range 2 {
		before, now := upgraded(t, h)
		harness.AwaitGone(t, before)
		if below := harness.Children(t, h.Cmd.Process.Pid); len(below) != 1 || below[0] != now {
			t.Errorf("below the first process are %v, not %d", below, now)
		}
	}
	h.Kill(syscall.SIGTERM)
	<-h.Exited
	if h.Err != nil {
		t.Error(h.Err)
	}
}

func TestANewHostThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	dir, programs := harness.Pages(t, "1"), t.TempDir()
	binary := filepath.Join(programs, "host")
	program, err := os.ReadFile(harness.HostBinary)
	harness.Must(t, err)
	put := func(text []byte) { // as an installation does: the old file lives on
		harness.Must(t, os.WriteFile(binary+".new", text, 0o755))
		harness.Must(t, os.Rename(binary+".new", binary))
	}
	put(program)
	const settings = "[pool.web]\nworker = \"worker.php\"\nworkers = 2\nstart_timeout = \"5s\"\n"
	harness.Write(t, dir, "host.toml", settings)
	addr := harness.FreeAddress(t)
	h := harness.LaunchAs(t, []string{binary}, addr, "-l", addr, "-c", filepath.Join(dir, "host.toml"))
	h.AwaitReady()
	pid, workers := h.Status().PID, h.PIDs()
	load := kept(harness.NewLoad(h).Fresh(2), 2)
	for _, c := range []struct{ name, program, settings, code, why string }{
		{"no host", "#!/bin/sh\nexit 0\n", "", "", "is no host"},
		{"not to be started", "nothing", "", "", "can't be started"},
		{"a mistake in host.toml", "", "workers = 2\n[pool.web]\nwrokers = 2\n", "", "wrokers"},
		{"an address that is taken", "", settings + "[admin]\nlisten = \"" + addr + "\"\n", "", "already taken"},
		{"code that does not start", "", "", "throw new Exception('no such table');", "no such table"},
	} {
		if c.program != "" {
			put([]byte(c.program))
		}
		if c.settings != "" {
			harness.Write(t, dir, "host.toml", c.settings)
		}
		if c.code != "" {
			harness.WritePHP(t, dir, c.code)
		}
		out, code := h.Run("upgrade")
		if code != 1 || !strings.Contains(out, c.why) || !strings.Contains(out, "nothing was changed") {
			t.Errorf("%s: exit %d\n%s", c.name, code, out)
		}
		put(program)
		harness.Write(t, dir, "host.toml", settings)
		harness.DeployPages(t, dir, "1")
	}
	// killed while its workers start
	harness.WritePHP(t, dir, "sleep(3); "+harness.PagesSource(t, "1"))
	out, code := cut(t, h, regexp.MustCompile(`pid (\d+)`))
	if code != 1 || !strings.Contains(out, "has ended before it was ready") {
		t.Errorf("killed: exit %d\n%s", code, out)
	}
	harness.DeployPages(t, dir, "1")
	if now := h.Status().PID; now != pid || fmt.Sprint(h.PIDs()) != fmt.Sprint(workers) {
		t.Errorf("pid %d with workers %v, not %d with %v", now, h.PIDs(), pid, workers)
	}
	if out, _ := h.Run("releases", "--json"); strings.Count(out, `"act":"upgrade"`) != 6 {
		t.Errorf("the journal:\n%s", out)
	}
	upgraded(t, h)
	load.Stop()
}

// cut begins an upgrade, and kills the new host as soon as its pid is told.
func cut(t *testing.T, h *harness.Host, told *regexp.Regexp) (output string, code int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.HostBinary, "upgrade", "--control", h.Control)
	out, err := cmd.StdoutPipe()
	harness.Must(t, err)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	harness.Must(t, cmd.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		output += lines.Text() + "\n"
		if found := told.FindStringSubmatch(lines.Text()); found != nil {
			pid, _ := strconv.Atoi(found[1])
			harness.KillNow(t, pid)
		}
	}
	cmd.Wait()
	return output + complaint.String(), cmd.ProcessState.ExitCode()
}

// Sockets of all kinds go over: their files stay, and nobody is refused.
func TestUnixSocketsDatagramsAndTheAdminListenerGoOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	talk, err := os.ReadFile(filepath.Join(harness.Repository, "host/internal/e2e/testdata/talk.php"))
	harness.Must(t, err)
	harness.WritePHP(t, dir, strings.TrimPrefix(string(talk), "<?php\n"))
	short, err := os.MkdirTemp("", "u")
	harness.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(short) })
	path, addr, datagrams := filepath.Join(short, "http.sock"), harness.FreeAddress(t), harness.FreeAddress(t)
	admin := harness.FreeAddress(t)
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[admin]\nlisten = %q\n[[listen]]\naddress = %q\n"+
		"[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = \"udp\"\n"+
		"[pool.web]\nworker = \"worker.php\"\nworkers = 1\n", admin, "unix:"+path, addr, datagrams))
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	over := &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}}
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for name, ask := range map[string]func() error{
		"the unix socket": func() error { return get(over, "http://host/hello") },
		"the admin listener": func() error {
			return get(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+admin+"/livez")
		},
	} {
		asking.Go(func() {
			for {
				if err := ask(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	before, _ := upgraded(t, h)
	h.Eventually("the old host has ended", func() bool { return len(harness.Children(t, before)) == 1 })
	close(stop)
	asking.Wait()
	if err := get(over, "http://host/hello"); err != nil {
		t.Error(err)
	}
	c, err := net.Dial("udp", datagrams)
	harness.Must(t, err)
	defer c.Close()
	fmt.Fprint(c, "say hello")
	b := make([]byte, 100)
	if n, err := c.Read(b); err != nil || string(b[:n]) != "hello" {
		t.Errorf("a datagram is answered with %q: %v", b[:n], err)
	}
}

func get(c *http.Client, url string) error {
	r, err := c.Get(url)
	if err != nil {
		return err
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", r.Status)
	}
	return nil
}

func TestAProgramThatOthersCanWriteIsRefused(t *testing.T) {
	t.Parallel()
	h := harness.StartPHP(t, harness.Pages(t, "1"), "", "workers = 1", "")
	dir := t.TempDir()
	path := filepath.Join(dir, "host")
	program, err := os.ReadFile(harness.HostBinary)
	harness.Must(t, err)
	harness.Must(t, os.WriteFile(path, program, 0o777))
	harness.Must(t, os.Chmod(path, 0o777))
	if out, code := h.Run("upgrade", "--binary", path); code != 1 || !strings.Contains(out, "--binary: ") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if out, code := h.Run("upgrade", "--binary", "host"); code != 1 || !strings.Contains(out, "absolute") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

// Whoever may write host.toml decides, and whoever may only ask does not.
func TestTheConfigurationNamesTheNextProgramWhoeverOwnsIt(t *testing.T) {
	t.Parallel()
	dir, programs := harness.Pages(t, "1"), t.TempDir()
	h := harness.StartPHP(t, dir, "", "workers = 1", "")
	program, err := os.ReadFile(harness.HostBinary)
	harness.Must(t, err)
	path, link := filepath.Join(programs, "host-2"), filepath.Join(programs, "current")
	harness.Must(t, os.WriteFile(path, program, 0o755))
	harness.Must(t, os.Chmod(path, 0o777))
	harness.Must(t, os.Symlink("host-1", link))
	harness.Write(t, dir, "host.toml", fmt.Sprintf("upgrade_binary = %q\n[pool.web]\n"+
		"worker = \"worker.php\"\nworkers = 1\n", link))
	if out := h.Reload(); !strings.Contains(out, "upgrade_binary") || !strings.Contains(out, "no such file or") {
		t.Errorf("nothing is there, and a reload does not warn:\n%s", out)
	}
	if out, code := h.Run("upgrade"); code != 1 || !strings.Contains(out, "upgrade_binary is not there") {
		t.Errorf("exit %d\n%s", code, out)
	}
	harness.Must(t, os.Remove(link))
	harness.Must(t, os.Symlink("host-2", link))
	for _, arguments := range [][]string{nil, {"--binary", link}} {
		_, now := upgraded(t, h, arguments...)
		if runs, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", now)); err != nil || runs != path {
			t.Errorf("%v: %s runs, %v", arguments, runs, err)
		}
	}
}
