// Package windows runs the host for Windows under Wine, where Linux has that: make test-windows.
package windows

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAHostForWindowsServesReloadsAndStopsUnderLoad(t *testing.T) {
	s := start(t)
	if out, code := s.run("check"); code != 0 || !strings.Contains(out, "control over TCP") {
		t.Errorf("host check: exit %d\n%s", code, out)
	}
	socket := s.Upgrade("/")
	socket.Say("a")
	socket.Expect("1 a")
	load := harness.NewLoad(s.Host).Kept(4).Fresh(2)
	for round := range 3 {
		version := fmt.Sprint(2 + round%2)
		s.deploy(version)
		if out, code := s.run("reload"); code != 0 {
			t.Errorf("host reload: exit %d\n%s", code, out)
		}
		if _, text := s.Get("/hello"); text != "hello "+version {
			t.Errorf("after a reload to %s: %s", version, text)
		}
		socket.Say("b")
		socket.Expect(version + " b")
	}
	s.deploy("broken")
	if out, code := s.run("reload"); code != 1 || !strings.Contains(out, "the database is down") {
		t.Errorf("host reload of broken code: exit %d\n%s", code, out)
	}
	socket.Say("c")
	socket.Expect("2 c")
	load.Stop()
	if load.Served.Load() == 0 {
		t.Error("nothing was served")
	}
	if log := s.Logs.String(); !strings.Contains(log, "worker of version 3") {
		t.Errorf("the log has nothing of what workers print:\n%s", log)
	}
	if out, code := s.run("stop"); code != 0 {
		t.Errorf("host stop: exit %d\n%s", code, out)
	}
	if code, _ := socket.Ends(); code != 1001 {
		t.Errorf("the WebSocket was closed with %d", code)
	}
	<-s.Exited
	if s.Err != nil {
		t.Errorf("the host: %v", s.Err)
	}
	s.allGone()
}

func TestAWorkerOnWindowsThatDiesIsReplacedAndTakesItsChildrenAlong(t *testing.T) {
	s := start(t)
	for range 2 {
		s.Get("/child")
	}
	children := func() int { return len(s.processes("worker.exe child")) }
	s.Eventually("there are children", func() bool { return children() == 2 })
	out, _ := s.run("status")
	for _, worker := range regexp.MustCompile(`(?m)^.*\bidle\b.*$`).FindAllString(out, -1) {
		pid := regexp.MustCompile(`\b\d{2,}\b`).FindString(worker)
		out, err := wine(s.dir, "taskkill", "/F", "/PID", pid).CombinedOutput()
		if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
			t.Errorf("taskkill %s: %v\n%s%s", pid, err, out, worker)
		}
	}
	s.Eventually("no child is left", func() bool { return children() == 0 })
	s.ready()
	if _, text := s.Get("/hello"); text != "hello 1" {
		t.Error(text)
	}
	if out, code := s.run("stop"); code != 0 {
		t.Errorf("host stop: exit %d\n%s", code, out)
	}
	<-s.Exited
	s.allGone()
}

func TestNothingSurvivesAHostOnWindowsThatIsKilled(t *testing.T) {
	s := start(t)
	s.Get("/child")
	s.Eventually("there is a child", func() bool { return len(s.processes("worker.exe child")) == 1 })
	s.Cmd.Process.Kill()
	<-s.Exited
	s.allGone()
}

// site is a folder with a host for Windows that runs there.
type site struct {
	*harness.Host
	dir string
}

func start(t *testing.T) *site {
	t.Helper()
	if built == "" {
		t.Skip("make test-windows runs this, with Wine")
	}
	dir := t.TempDir()
	web, steer := harness.FreeAddress(t), harness.FreeAddress(t)
	s := &site{&harness.Host{T: t, Addr: web, URL: "http://" + web,
		Logs: &harness.LogBuffer{Grown: make(chan struct{})}, Exited: make(chan struct{})}, dir}
	harness.Must(t, os.Symlink(filepath.Join(built, "host.exe"), filepath.Join(dir, "host.exe")))
	s.deploy("1")
	harness.Write(t, dir, "token", "0123456789abcdef\n")
	harness.Write(t, dir, "host.toml", "[control]\nsocket = 'off'\nlisten = '"+steer+"'\ntoken_file = 'token'\n"+
		"[[listen]]\naddress = '"+web+"'\n[pool.web]\ncommand = ['worker']\nworkers = 2\n")
	s.Cmd = wine(dir, "host.exe", "serve", "--log-format", "text")
	s.Cmd.Stdout, s.Cmd.Stderr = s.Logs, s.Logs
	harness.Must(t, harness.Spawn(s.Cmd))
	go func() {
		if s.Err = s.Cmd.Wait(); errors.Is(s.Err, exec.ErrWaitDelay) {
			s.Err = nil // it ended with 0
		}
		close(s.Exited)
	}()
	t.Cleanup(func() {
		select {
		case <-s.Exited:
		default:
			s.Cmd.Process.Kill()
			<-s.Exited
		}
		if t.Failed() {
			t.Logf("the end of the host's log:\n%s", s.Logs.End())
		}
	})
	s.ready()
	return s
}

// deploy puts another program in the place of the worker's, as Windows lets one: that which runs is renamed.
func (s *site) deploy(version string) {
	s.T.Helper()
	program, err := os.ReadFile(filepath.Join(built, version+".exe"))
	harness.Must(s.T, err)
	path := filepath.Join(s.dir, "worker.exe")
	os.Rename(path, path+".old") // there is none at first
	harness.Must(s.T, os.WriteFile(path, program, 0o755))
}

func (s *site) ready() {
	s.T.Helper()
	s.Eventually("both workers are idle", func() bool {
		out, code := s.run("status")
		return code == 0 && strings.Count(out, " idle ") == 2
	})
}

// run runs a command of the host, as Windows does.
func (s *site) run(args ...string) (output string, code int) {
	s.T.Helper()
	c := wine(s.dir, append([]string{"host.exe"}, args...)...)
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		s.T.Fatal(err)
	}
	return string(out), c.ProcessState.ExitCode()
}

// processes are those of the site with the text in their command line.
func (s *site) processes(text string) (found []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, _ := os.ReadFile(file)
		words := strings.ReplaceAll(strings.ReplaceAll(string(line), "\x00", " "), `\`, "/")
		if strings.Contains(words, s.dir) && strings.Contains(words, text) {
			found = append(found, words)
		}
	}
	return found
}

// allGone waits until no worker of the site is left.
func (s *site) allGone() {
	s.T.Helper()
	s.Eventually("no worker is left", func() bool { return len(s.processes("worker.exe")) == 0 })
}

// wine is a program for Windows that is to be run in a folder.
func wine(dir string, args ...string) *exec.Cmd {
	c := exec.Command("wine", args...)
	c.Dir, c.Env = dir, append(os.Environ(), "WINEPREFIX="+filepath.Join(built, "prefix"), "WINEDEBUG=-all",
		"STATE_DIRECTORY=")
	c.WaitDelay = time.Second // services of Wine's, which the first program starts, keep its output open
	return c
}

// built is the folder of what these tests run; "" without Wine.
var built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv("WINDOWS_TESTS") == "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "wine")
	if err == nil {
		defer os.RemoveAll(dir)
		built = dir
		err = build()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	wine(built, "wineserver", "-k").Run()
	return code
}

// build makes a Windows of Wine, and what is run in it.
func build() error {
	dll := filepath.Join(built, "prefix", "drive_c", "windows", "system32", "bcryptprimitives.dll")
	commands := []*exec.Cmd{wine(built, "wineboot", "-i"),
		exec.Command("x86_64-w64-mingw32-gcc", "-shared", "-o", dll, "testdata/prng.c", "-ladvapi32")}
	for program, arguments := range map[string][]string{
		"host":   {"github.com/workerhost/workerhost/host"},
		"1":      {"./testdata/worker"},
		"2":      {"-ldflags", "-X main.version=2", "./testdata/worker"},
		"3":      {"-ldflags", "-X main.version=3", "./testdata/worker"},
		"broken": {"-ldflags", "-X main.version=broken", "./testdata/worker"},
	} {
		c := exec.Command("go", append([]string{"build", "-buildvcs=false", "-o",
			filepath.Join(built, program+".exe")}, arguments...)...)
		c.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64")
		commands = append(commands, c)
	}
	for _, c := range commands {
		if out, err := c.CombinedOutput(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
			return fmt.Errorf("%v: %w\n%s", c.Args, err, out)
		}
	}
	return nil
}
