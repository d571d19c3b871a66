package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
)

// bootAs has a worker start as files in its folder say: with "limit" only so many bytes long times, and not while
// there is a "wait".
func bootAs(args []string) {
	if limit, err := os.ReadFile("limit"); err == nil {
		f, _ := os.OpenFile("boots", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		f.WriteString("x")
		f.Close()
		if boots, _ := os.ReadFile("boots"); len(boots) > len(limit) {
			fmt.Fprintln(os.Stderr, "one too many")
			os.Exit(3)
		}
	}
	for _, err := os.Stat("wait"); err == nil; _, err = os.Stat("wait") {
		time.Sleep(5 * time.Millisecond)
	}
}

// site is a host with pools that run releases in folders: those of a and b are pinned, and that of c is edited in
// place.
type site struct {
	*serving
	dir string
}

func newSite(t *testing.T, more string) *site {
	t.Helper()
	s := &site{&serving{t: t}, shortDir(t)}
	s.control = filepath.Join(s.dir, "c.sock")
	s.deploy("public", "1")
	text := fmt.Sprintf("control = %q\n[http]\npublic = \"public\"\n", s.control)
	for _, pool := range []string{"a", "b", "c"} {
		directory := pool
		if pool == "c" {
			s.release("c-1")
			directory = "c-1"
		} else {
			s.deploy(pool, "1")
		}
		text += fmt.Sprintf("[[listen]]\naddress = \"127.0.0.1:0\"\npool = %q\n[pool.%s]\n", pool, pool)
		text += fmt.Sprintf("command = [%q, \"worker\", \"poison\"]\ndirectory = %q\n", os.Args[0], directory)
		text += "workers = 2\ninherit_env = [\"*\"]\n" + more + "\n"
	}
	s.write("host.toml", text)
	s.command = program("serve", "-c", filepath.Join(s.dir, "host.toml"), "--log-format", "json")
	s.begin()
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) release(name string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Join(s.dir, name), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// deploy points a pool's link at a release of its own.
func (s *site) deploy(pool, release string) (folder string) {
	s.t.Helper()
	folder = pool + "-" + release
	s.release(folder)
	os.Remove(filepath.Join(s.dir, pool))
	if err := os.Symlink(folder, filepath.Join(s.dir, pool)); err != nil {
		s.t.Fatal(err)
	}
	return folder
}

// runs gives the release of each pool, which must be that of all its workers, and the pids of all.
func (s *site) runs() (releases string, pids []int) {
	s.t.Helper()
	for _, p := range s.status().Pools {
		releases += " " + filepath.Base(p.Directory)
		for _, w := range p.Workers {
			if w.Generation != p.Generation {
				releases += fmt.Sprintf("(worker %d: generation %d instead of %d)", w.Slot, w.Generation, p.Generation)
			}
			pids = append(pids, w.PID)
		}
	}
	return strings.TrimSpace(releases), pids
}

// changes fails the test unless `host reload` ends with the status, leaves the releases, and says what it should.
func (s *site) changes(status int, releases string, reload []string, says ...string) (out string) {
	s.t.Helper()
	out, got := s.run(append([]string{"reload"}, reload...)...)
	if is, _ := s.runs(); got != status || is != releases {
		s.t.Errorf("exit status %d instead of %d; %s runs instead of %s:\n%s", got, status, is, releases, out)
	}
	for _, text := range says {
		if !strings.Contains(out, text) {
			s.t.Errorf("it does not say %q:\n%s", text, out)
		}
	}
	return out
}

func (s *site) get(path string) string {
	s.t.Helper()
	resp, err := http.Get("http://" + s.status().Listen[0].Address + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

func TestSeveralPoolsChangeAllTogetherOrNotAtAll(t *testing.T) {
	s := newSite(t, "")
	s.await("ready")
	_, before := s.runs()

	s.write("public-1/version.txt", "1")
	s.write(s.deploy("public", "2")+"/version.txt", "2")
	s.deploy("a", "2")
	s.write(s.deploy("b", "2")+"/poison", "Parse error in line 3")
	s.changes(1, "a-1 b-1 c-1", nil, "Parse error in line 3", "a  not reloaded", "what runs now:",
		"→ pool b failed before anything was replaced: mend pool b")
	if _, after := s.runs(); !slices.Equal(before, after) {
		t.Errorf("workers were replaced before every pool had a new one: %v became %v", before, after)
	}
	if got := s.get("/version.txt"); got != "1" {
		t.Errorf("the public folder is that of release %s", got)
	}

	s.write(s.deploy("b", "3")+"/limit", "x") // its second worker does not start any more
	s.changes(1, "a-1 b-1 c-1", []string{"a", "b"},
		"one too many", "b  worker 0  put back", "b  what was replaced is put back: all serve with generation 1 again",
		"a  put back: 2 workers of generation 1",
		"→ pool b failed, and what had been replaced is put back: mend pool b")
	os.Remove(filepath.Join(s.dir, "b-3/boots"))
	s.changes(7, "a-1 b-1 c-1", []string{"c", "a", "b"},
		"a  put back", "c  can't be put back: its code is edited in place", "reload pool c")

	os.Remove(filepath.Join(s.dir, "b-3/boots"))
	s.changes(1, "a-2 b-1 c-1", []string{"--each"}, "a  reloaded: 2 workers", "; pool a",
		"on the new code: mend pool b")
	os.Remove(filepath.Join(s.dir, "b-3/limit"))
	s.changes(0, "a-2 b-3 c-1", nil, "c  reloaded: 2 workers")
	if got := s.get("/version.txt"); got != "2" {
		t.Errorf("the public folder is that of release %s", got)
	}
}

func TestAnAbortedReloadOfSeveralPoolsChangesNone(t *testing.T) {
	s := newSite(t, "")
	s.await("ready")
	s.deploy("a", "2")
	s.write(s.deploy("b", "2")+"/wait", "")
	reload := program("reload", "--control", s.control, "--json")
	out, err := reload.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := reload.Start(); err != nil {
		t.Fatal(err)
	}
	for told := ""; !strings.Contains(told, `{"event":"begun","pool":"b"`); { // a has its first one by now
		buffer := make([]byte, 4096)
		n, err := out.Read(buffer)
		if told += string(buffer[:n]); err != nil {
			t.Fatal(told)
		}
	}
	abort := program("reload", "--abort", "--control", s.control)
	said := new(strings.Builder)
	abort.Stdout, abort.Stderr = said, said
	if err := abort.Start(); err != nil {
		t.Fatal(err)
	}
	s.await("the reload is aborted")
	os.Remove(filepath.Join(s.dir, "b-2/wait"))
	if err := abort.Wait(); err != nil || !strings.Contains(said.String(), "a  not reloaded: the reload was aborted") {
		t.Errorf("host reload --abort: %v\n%s", err, said)
	}
	reload.Wait()
	if status := reload.ProcessState.ExitCode(); status != cli.ExitStatus(control.WasAborted) {
		t.Errorf("host reload: %d", status)
	}
	if is, _ := s.runs(); is != "a-1 b-1 c-1" {
		t.Errorf("then runs %s", is)
	}
}

func TestStrictReloadFailsWhenARequestWasCut(t *testing.T) {
	s := newSite(t, "drain_timeout = \"100ms\"\nstop_timeout = \"100ms\"")
	s.await("ready")
	address := s.status().Listen[0].Address
	for _, c := range []struct {
		flag   string
		status int
	}{{"--strict", 9}, {"--json", 0}} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			if answer, err := http.Post("http://"+address+"/hold/never", "", nil); err == nil {
				answer.Body.Close()
			}
		}()
		for s.status().Pools[0].Workers[0].Inflight+s.status().Pools[0].Workers[1].Inflight == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		out := s.changes(c.status, "a-1 b-1 c-1", []string{"a", c.flag}, "POST /hold/never")
		if c.status == 9 && !strings.Contains(out, "the new code is live, but requests were cut: POST /hold/never") {
			t.Error(out)
		}
		<-done
	}
}

func TestStatusCheckFailsWhileAPoolCanNotServe(t *testing.T) {
	s := newSite(t, "")
	s.await("ready")
	if out, status := s.run("status", "--check"); status != 0 || out != "ready\n" {
		t.Errorf("status %d: %s", status, out)
	}
	s.write("b-1/poison", "no database today")
	for _, w := range s.status().Pools[1].Workers {
		if p, err := os.FindProcess(w.PID); err == nil {
			p.Kill()
		}
	}
	var out string
	for status := 0; status == 0; out, status = s.run("status", "--check") {
		time.Sleep(5 * time.Millisecond)
	}
	if !strings.Contains(out, "pool b has no worker that takes requests") {
		t.Error(out)
	}
	out, status := s.run("status", "--check", "--json")
	wrong := `{"event":"error","outcome":"failed","status":1,"error":"pool b`
	if status != 1 || !strings.Contains(out, `"pools":`) || !strings.Contains(out, wrong) {
		t.Errorf("status %d: %s", status, out)
	}
}

func TestAPoolThatComesBackDoesNotBeginItsGenerationsAgain(t *testing.T) {
	s := newSite(t, "")
	s.await("ready")
	file, err := os.ReadFile(filepath.Join(s.dir, "host.toml"))
	if err != nil {
		t.Fatal(err)
	}
	without, _, _ := strings.Cut(string(file), "[[listen]]\naddress = \"127.0.0.1:0\"\npool = \"c\"")
	for _, text := range []string{string(file), without, string(file)} {
		s.write("host.toml", text)
		if out, status := s.run("reload"); status != 0 {
			t.Fatal(out)
		}
	}
	if c := s.status().Pools[2]; c.Name != "c" || c.Generation != 3 || c.Workers[0].Generation != 3 {
		t.Errorf("%+v", c)
	}
}

func TestThatAPoolIsNeverReloadedTakesEffectAndTheRestWaits(t *testing.T) {
	s := newSite(t, "")
	s.await("ready")
	_, before := s.runs()
	file, err := os.ReadFile(filepath.Join(s.dir, "host.toml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("host.toml", strings.TrimSpace(string(file))+"\nreload = \"never\"\nstop_timeout = \"7s\"\n") // of pool c
	const waits = "pool c: stop_timeout 5s → 7s  takes effect at a restart"
	out := s.changes(0, "a-1 b-1 c-1", []string{"--dry-run"}, waits,
		"pool c: reload rolling → never  would change", "c  keeps its workers")
	if strings.Contains(out, "c  a new worker is ready") {
		t.Errorf("it was tried:\n%s", out)
	}
	out = s.changes(0, "a-1 b-1 c-1", nil, waits, "c  keeps its workers: reload")
	if !strings.Contains(out, "pool c: reload rolling → never\n") {
		t.Errorf("it did not take effect:\n%s", out)
	}
	if out = s.changes(0, "a-1 b-1 c-1", nil, waits); strings.Contains(out, "rolling") {
		t.Errorf("it changes once more:\n%s", out)
	}
	if _, after := s.runs(); !slices.Equal(before[4:], after[4:]) {
		t.Errorf("workers %v became %v", before, after)
	}
}
