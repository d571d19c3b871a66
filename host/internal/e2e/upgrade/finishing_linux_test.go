package upgrade

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// finishing is a host that was replaced while a request was under way, which finish ends.
func finishing(t *testing.T) (h *harness.Host, dir string, serving int, finish func() (answer string)) {
	t.Helper()
	dir = harness.Pages(t, "1")
	h = harness.StartPHP(t, dir, "access_log = \"access.log\"", "workers = 1\ndrain_timeout = \"60s\"", "")
	client := h.Dial()
	client.Sendf("GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	harness.AwaitFile(t, dir, "until")
	_, serving = upgraded(t, h)
	return h, dir, serving, func() string {
		harness.Write(t, dir, "go", "")
		a, err := client.Try("GET")
		if err != nil {
			t.Fatal(err)
		}
		return a.Text
	}
}

func TestAHostThatFinishesReopensItsLogs(t *testing.T) {
	t.Parallel()
	h, dir, _, finish := finishing(t)
	log := filepath.Join(dir, "access.log")
	harness.Must(t, os.Rename(log, log+".1"))
	h.Kill(syscall.SIGUSR2)
	h.Eventually("both hosts have the new file", func() bool {
		return strings.Count(h.Logs.String(), "access log reopened") == 2
	})
	finish()
	h.Eventually("the request is in the new file", func() bool {
		text, _ := os.ReadFile(log)
		return strings.Contains(string(text), "GET /until ")
	})
}

const nobodyServes = "nobody is let in until another one is started"

// It was the old host's, and outlives the one that had taken over.
func TestARequestIsFinishedThoughTheNewHostDies(t *testing.T) {
	t.Parallel()
	h, _, serving, finish := finishing(t)
	harness.KillNow(t, serving)
	h.Logs.Await(t, nobodyServes)
	if answer := finish(); answer != "went 1" {
		t.Errorf("the answer is %q", answer)
	}
	<-h.Exited
	if code := h.Cmd.ProcessState.ExitCode(); code != 128+9 {
		t.Errorf("it ended with status %d", code)
	}
}

func TestAStopAfterTheNewHostDiedEndsTheOldOneAtOnce(t *testing.T) {
	t.Parallel()
	h, _, serving, _ := finishing(t)
	harness.KillNow(t, serving)
	h.Logs.Await(t, nobodyServes)
	h.Kill(syscall.SIGTERM)
	select {
	case <-h.Exited:
	case <-time.After(20 * time.Second):
		t.Error("it goes on until its drain_timeout")
	}
}

// The one in the middle ends as it should.
func TestTheEndOfAHostThatWasReplacedAlarmsNobody(t *testing.T) {
	t.Parallel()
	h, _, before, finish := finishing(t)
	upgraded(t, h)
	harness.AwaitGone(t, before)
	if answer := finish(); answer != "went 1" {
		t.Errorf("the answer is %q", answer)
	}
	h.Eventually("the first one has ended", func() bool { return len(harness.Children(t, h.Cmd.Process.Pid)) == 1 })
	if strings.Contains(h.Logs.String(), nobodyServes) {
		t.Errorf("the log says that nobody serves:\n%s", h.Logs.End())
	}
}
