package tasks

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// application serves one of testdata, with the SDK; what it has done it notes in the file "done" of its folder.
func application(t *testing.T, name, needs string) (h *harness.Host, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join("/usr/share/php", needs)); err != nil {
		t.Skip("Debian's package of ", needs, " is not installed")
	}
	dir = t.TempDir()
	harness.Must(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))))
	config, addr := filepath.Join(dir, "host.toml"), harness.FreeAddress(t)
	values := strings.NewReplacer("127.0.0.1:8080", addr, "${SDK}", filepath.Join(harness.Repository, "sdk-php"),
		"${APP_KEY}", "base64:Y2hhbmdlLW1lLWNoYW5nZS1tZS1jaGFuZ2UtbWUtbm8=")
	harness.Write(t, dir, "host.toml", values.Replace(harness.ReadFile(t, config)))
	return harness.StartWith(t, addr, "-c", config), dir
}

// asks for pages, and waits until each of the lines was noted.
func asks(h *harness.Host, dir, pages string, want ...string) {
	h.T.Helper()
	for page := range strings.FieldsSeq(pages) {
		if status, body := h.Get("/" + page); status != 200 {
			h.T.Fatalf("/%s: %d %.2000s", page, status, body)
		}
	}
	for _, line := range want {
		h.Eventually("the note "+line, func() bool {
			notes, _ := os.ReadFile(filepath.Join(dir, "done"))
			return slices.Contains(strings.Split(string(notes), "\n"), line)
		})
	}
}

// never fails if something was noted.
func never(h *harness.Host, dir string, parts ...string) {
	h.T.Helper()
	notes, _ := os.ReadFile(filepath.Join(dir, "done"))
	for _, part := range parts {
		if strings.Contains(string(notes), part) {
			h.T.Errorf("%q was noted:\n%s", part, notes)
		}
	}
}

func TestJobsOfLaravelAreRunByAPoolOfTheHost(t *testing.T) {
	t.Parallel()
	h, dir := application(t, "laravel", "Illuminate")
	asks(h, dir, "plain delayed chained closure released dies scheduled", "handled:plain:1", `JobProcessing:App\Job:1`,
		`JobProcessed:App\Job:1`, "handled:delayed:1", "handled:last:1", "closure", "handled:released:2",
		"handled:dies:2", "handled:scheduled:1")
}

func TestAJobOfLaravelThatThrowsIsRetriedAndEndsFailedWithItsTrace(t *testing.T) {
	t.Parallel()
	h, dir := application(t, "laravel", "Illuminate")
	asks(h, dir, "throws patient gives-up",
		`JobExceptionOccurred:App\Job:3`, "failed:throws:attempt 3 of throws", `JobFailed:App\Job:3`,
		"failer:workerhost:emails:attempt 3 of throws", "handled:after-throws:1",
		"failed:patient:attempt 2 of patient", // as many as the queue has attempts
		"failed:gives-up:there is no such user", "handled:after-gives-up:1")
	never(h, dir, "undone", "attempt 4 of throws", "attempt 3 of patient")
	var out string
	h.Eventually("the failed job, with its trace", func() bool {
		out, _ = h.Run("tasks", "failed", "emails")
		return strings.Contains(out, "RuntimeException: attempt 3 of throws")
	})
	if out, _ = h.Run("tasks", "show", strings.TrimSuffix(strings.Fields(out)[0], ":")); !strings.Contains(out,
		"app/Job.php") || !strings.Contains(out, "#0 ") {
		t.Error(out)
	}
	if out, code := h.Run("tasks", "retry", "--all", "emails"); code != 0 || !strings.Contains(out, "1 task") {
		t.Errorf("%d %s", code, out)
	}
	h.Eventually("the failed job, once more", func() bool {
		return strings.Count(harness.ReadFile(t, filepath.Join(dir, "done")), "failed:throws:attempt 3") == 2
	})
}

func TestAPayloadThatIsNotSignedWithTheKeyOfLaravelIsNotRun(t *testing.T) {
	t.Parallel()
	h, dir := application(t, "laravel", "Illuminate")
	asks(h, dir, "forged", "forged:right")
	for _, id := range []string{"unsigned", "otherkey", "otherqueue", "otherid"} {
		h.Eventually(id+" failed", func() bool {
			out, code := h.Run("tasks", "show", id)
			return code == 0 && strings.Contains(out, "1 attempt") && strings.Contains(out, "so it is not run")
		})
	}
	never(h, dir, "forged:unsigned", "forged:other")
}
