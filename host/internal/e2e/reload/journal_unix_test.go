//go:build unix

// The journal: what went live when, and who asked for it.

package reload

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// release is an entry, as `host releases --json` prints it.
type release struct {
	Act, Outcome, What, Error string
	By                        []struct{ How, User, Signal, Message string }
	Pools                     []struct {
		Pool, Result, Directory, Commit, Error string
		Generation, Replaced                   int
		Gates                                  []struct{ Gate, Command, Error string }
	}
}

// releases are the entries of the journal.
func releases(t *testing.T, h *harness.Host, arguments ...string) (all []release) {
	t.Helper()
	out, code := h.Run("releases", append(arguments, "--json", "-n", "0")...)
	if code != 0 {
		t.Fatalf("host releases: exit %d\n%s", code, out)
	}
	for line := range strings.Lines(out) {
		var r release
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, r)
	}
	return all
}

func TestTheJournalTellsWhatWentLiveAndWhy(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	git := func(arguments ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=x", "-c", "user.email=x@example.org"},
			arguments...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Skipf("git %q: %v\n%s", arguments, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "1")
	commit := git("rev-parse", "HEAD")
	harness.Write(t, dir, "host.toml", "state = \"kept\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n")
	file := filepath.Join(dir, "host.toml")
	h := harness.Start(t, "-c", file)
	h.Eventually("the start is told of", func() bool { return len(releases(t, h)) == 1 })
	if got := releases(t, h); got[0].Act != "start" || got[0].Pools[0].Commit != commit {
		t.Errorf("after the start: %+v", got)
	}
	if _, err := os.Lstat(filepath.Join(dir, "kept")); !os.IsNotExist(err) {
		t.Errorf("a host that was never reloaded has left a folder: %v", err)
	}
	if out, code := h.Run("reload", "-m", "release 2, see https://ci/?token=abc"); code != 0 {
		t.Fatal(out)
	}
	harness.WritePHP(t, dir, "throw new Exception('no such table, at mysql://app:pa55@db');")
	if out, code := h.Run("reload"); code != 1 {
		t.Fatal(out)
	}
	got := releases(t, h)
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	good, bad := got[1], got[2]
	if good.Outcome != "done" || good.By[0].How != "socket" || good.By[0].User == "" ||
		good.By[0].Message != "release 2, see https://ci/?token=REDACTED" || good.Pools[0].Result != "completed" ||
		good.Pools[0].Generation != 2 || good.Pools[0].Commit != commit || good.Pools[0].Replaced != 2 {
		t.Errorf("%+v", good)
	}
	if p := bad.Pools[0]; bad.Outcome != "failed" || p.Result != "failed" || bad.What == "" ||
		!strings.Contains(p.Error, "no such table, at mysql://app:REDACTED@db") || strings.Contains(p.Error, "pa55") {
		t.Errorf("%+v", bad)
	}
	if info, err := os.Stat(filepath.Join(dir, "kept")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	out, _ := h.Run("releases", "web")
	for _, text := range []string{"started", "live", "failed", "release 2", commit[:10], "no such table"} {
		if !strings.Contains(out, text) {
			t.Errorf("it does not say %q:\n%s", text, out)
		}
	}
	h.Kill(syscall.SIGKILL)
	<-h.Exited
	if left := releases(t, h, "-c", file); len(left) != 3 || left[1].By[0].Message != good.By[0].Message {
		t.Errorf("without the host: %+v", left)
	}
}

func TestAHostThatCanNotKeepItsJournalServesOn(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	harness.Write(t, dir, "taken", "a file")
	harness.Write(t, dir, "host.toml", "state = \"taken\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 1\n")
	h := harness.Start(t, "-c", filepath.Join(dir, "host.toml"))
	for range 2 {
		h.Reload()
	}
	h.Kill(syscall.SIGUSR1)
	h.Eventually("the signal's reload is told of", func() bool { return len(releases(t, h)) == 4 })
	if got := releases(t, h)[3]; got.By[0].How != "signal" || got.By[0].Signal == "" {
		t.Errorf("%+v", got)
	}
	if n := strings.Count(h.Logs.String(), "the journal of what went live can't be written"); n != 1 {
		t.Errorf("it says so %d times", n)
	}
}

func TestAWebhookIsToldOfEachReload(t *testing.T) {
	t.Parallel()
	told := make(chan release, 8)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var got release
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Errorf("it was told no JSON: %v", err)
		}
		told <- got
	}))
	defer hook.Close()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 1", "[reload]\nnotify = \""+hook.URL+"/hooks/s3cret\"")
	if out, code := h.Run("reload", "-m", "release 2"); code != 0 {
		t.Fatal(out)
	}
	if got := <-told; got.Outcome != "done" || got.By[0].Message != "release 2" || got.Pools[0].Pool != "web" {
		t.Errorf("%+v", got)
	}
	harness.Write(t, dir, "host.toml", "[reload]\nnotify = \"http://127.0.0.1:1/0ther\"\n[pool.web]\n"+
		"worker = \"worker.php\"\nworkers = 1\n")
	out := h.Reload()
	h.Logs.Await(t, "the webhook was not told")
	for _, text := range []string{"s3cret", "0ther"} {
		if strings.Contains(out, text) || strings.Contains(h.Logs.String(), text) {
			t.Errorf("it tells %s:\n%s", text, out)
		}
	}
	harness.Write(t, dir, "host.toml", "[reload]\nnotify = \"ftp://x/\"\n[pool.web]\nworker = \"worker.php\"\n")
	if out, code := h.Run("reload"); code != 6 || !strings.Contains(out, "expected a URL of http or https") {
		t.Errorf("exit %d: %s", code, out)
	}
}
