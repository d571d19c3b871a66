//go:build unix

package deploy

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// The page is run as it stands there, but for its folders, its port and where there is no such user. Its clients are
// the page's own, and others who never get anything but a 200.
func TestAPushABugItsFaultItsReplayAndTheProvenFixCanBePasted(t *testing.T) {
	t.Parallel()
	page := harness.ReadFile(t, filepath.Join(harness.Repository, "host/docs/walkthrough.md"))
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1)
	s, address := newShop(t, ""), harness.FreeAddress(t)
	harness.Must(t, os.Symlink(harness.HostBinary, filepath.Join(s.dir, "host")))
	replace := []string{"/srv/shop", filepath.Join(s.dir, "srv"), "~/shop", filepath.Join(s.dir, "home"),
		"http://127.0.0.1:8080", "http://" + address,
		"[pool.shop]", "[[listen]]\naddress = \"" + address + "\"\n[pool.shop]"}
	if os.Geteuid() != 0 {
		replace = append(replace, "user = \"www-data\"\n", "")
	} else {
		replace = append(replace, "\"www-data\"", "\"nobody\"")
	}
	paste := strings.NewReplacer(replace...)
	var script strings.Builder
	for i, block := range blocks {
		fmt.Fprintf(&script, "%s\necho '== block %d ends'\n", paste.Replace(block[1]), i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script.String())
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), "PATH="+s.dir+":"+os.Getenv("PATH"), "XDG_RUNTIME_DIR="+s.dir,
		"XDG_STATE_HOME="+s.dir, "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C", "HOME="+s.dir, "GIT_AUTHOR_NAME=x",
		"GIT_AUTHOR_EMAIL=x@example.org", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@example.org")
	log, err := os.Create(filepath.Join(s.dir, "log"))
	harness.Must(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	harness.Must(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	bad, asked := 0, 0
	for over := false; !over; {
		select {
		case <-ended:
			over = true
		case <-time.After(20 * time.Millisecond):
			if w, err := http.Get("http://" + address + "/?people=2"); err == nil { // until it serves nobody answers
				w.Body.Close()
				if asked++; w.StatusCode != 200 {
					bad++
				}
			}
		}
	}
	defer func() { // the host, which the script leaves behind
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		for !harness.Refused(address) {
			time.Sleep(20 * time.Millisecond)
		}
	}()
	said := harness.ReadFile(t, log.Name())
	at := 0
	for _, want := range []string{"git push host main", "no host runs", "Each pays 30", "== block 1 ends",
		"release 2 is live", "== block 2 ends", "500\n== block 3", "f1  status 500, 1 time in pool shop",
		"new since generation ", "DivisionByZeroError: Division by zero in ", "releases/2/worker.php:9",
		"f1 still fails", "exit status 3", "f1: it still fails: status 500: DivisionByZeroError",
		"pre-receive hook declined", "refused", "f1 (GET /?people=0, status 500) does not fail any more: status 200",
		"release 4 is live", "Each pays 90"} {
		i := strings.Index(said[at:], want)
		if i < 0 {
			t.Errorf("after %d bytes it does not say %q", at, want)
			continue
		}
		at += i + len(want)
	}
	if bad > 0 || asked == 0 {
		t.Errorf("%d of %d answers to others were no 200", bad, asked)
	}
	if t.Failed() {
		t.Logf("%s", said)
	}
}
