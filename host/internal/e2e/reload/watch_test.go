// host serve --watch: what is saved is live, unless it is broken.

package reload

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// browse asks as a browser does for a page.
func browse(h *harness.Host, path string) (int, string) {
	h.T.Helper()
	req, err := http.NewRequest(http.MethodGet, h.URL+path, nil)
	if err != nil {
		h.T.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.T.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.T.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// awaits returns when a program that asks for path gets text.
func awaits(h *harness.Host, path, text string) {
	h.T.Helper()
	h.Eventually(path+" answers "+text, func() bool { _, got := h.Get(path); return got == text })
}

func TestWatchPutsSavedCodeLiveAndKeepsBrokenCodeOut(t *testing.T) {
	for name, flag := range map[string]string{"notified": "--watch", "polled": "--watch=poll"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := harness.PHPWorker(t, harness.AnsweringWith(`'one'`))
			h := harness.Start(t, "-n", "2", flag, dir)
			awaits(h, "/", "one")
			h.Logs.Await(t, "watching files")

			harness.WritePHP(t, dir, harness.AnsweringWith(`'two'`))
			awaits(h, "/", "two")

			before := h.Status().Pools[0].Generation
			harness.WritePHP(t, dir, "Worker::create( <b> ;")
			h.Logs.Await(t, "syntax error")
			if _, got := h.Get("/"); got != "two" {
				t.Errorf("with broken code a program gets %q", got)
			}
			h.Eventually("a browser is shown the error", func() bool {
				status, page := browse(h, "/")
				return status == 500 && strings.Contains(page, "syntax error") && strings.Contains(page, "worker.php")
			})
			if got := h.Status().Pools[0].Generation; got != before {
				t.Errorf("a file that php -l refuses led to generation %d", got)
			}

			harness.Write(t, dir, "other.php", "<?php // sound") // is no reason to take the broken file over
			h.Logs.Await(t, "other.php")
			if _, got := h.Get("/"); got != "two" {
				t.Errorf("with broken code and a sound file a program gets %q", got)
			}

			harness.WritePHP(t, dir, harness.AnsweringWith(`'three'`))
			awaits(h, "/", "three")
			h.Eventually("the error page gives way", func() bool {
				status, page := browse(h, "/")
				return status == 200 && page == "three"
			})
		})
	}
}

func TestWatchShowsWhyNewCodeDoesNotBoot(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, harness.AnsweringWith(`'one'`))
	h := harness.Start(t, "-n", "1", "--watch", dir)
	h.Logs.Await(t, "watching files")
	harness.WritePHP(t, dir, "Nowhere::call('<script>');")
	h.Eventually("a browser is shown the error", func() bool {
		status, page := browse(h, "/")
		return status == 500 && strings.Contains(page, "&#34;Nowhere&#34; not found")
	})
	if _, got := h.Get("/"); got != "one" {
		t.Errorf("meanwhile a program gets %q", got)
	}
	harness.WritePHP(t, dir, harness.AnsweringWith(`'two'`))
	awaits(h, "/", "two")
}

func TestWatchWithoutDevTellsClientsNothing(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, harness.AnsweringWith(`'one'`))
	h := harness.Start(t, "-n", "1", "--watch", "--dev=false", dir)
	h.Logs.Await(t, "watching files")
	harness.WritePHP(t, dir, "Worker::create( ;")
	h.Logs.Await(t, "syntax error")
	if status, page := browse(h, "/"); status != 200 || page != "one" {
		t.Errorf("%d %q", status, page)
	}
}

func TestWatchBuildsGoAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(harness.Repository, name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if name == "go.mod" {
			text = strings.Replace(text, "module github.com/workerhost/workerhost", "module example.com/app", 1)
			text += fmt.Sprintf(
				"\nrequire github.com/workerhost/workerhost v0.0.0\nreplace github.com/workerhost/workerhost => %q\n",
				harness.Repository)
		}
		harness.Write(t, dir, name, text)
	}
	program := func(says string) string {
		return "package main\n\nimport (\n\t\"io\"\n\t\"net/http\"\n\n\tsdk " +
			"\"github.com/workerhost/workerhost/sdk-go\"\n)\n\nfunc main() {\n" +
			"\thttp.HandleFunc(\"/\", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, " + says +
			") })\n\tsdk.Serve(nil)\n}\n"
	}
	harness.Write(t, dir, "main.go", program(`"one"`))
	h := harness.Start(t, "-n", "1", "--watch", dir)
	h.Logs.Await(t, "watching files")
	harness.Write(t, dir, "main.go", program("nowhere"))
	h.Eventually("a browser is shown what the compiler says", func() bool {
		status, page := browse(h, "/")
		return status == 500 && strings.Contains(page, "undefined: nowhere")
	})
	if _, got := h.Get("/"); got != "one" {
		t.Errorf("meanwhile a program gets %q", got)
	}
	harness.Write(t, dir, "main.go", program(`"two"`))
	awaits(h, "/", "two")
}

func TestWatchAppliesASavedConfiguration(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, harness.AnsweringWith(`getenv('SAYS') ?: 'nothing'`))
	toml := "[pool.web]\nworker = \"worker.php\"\nworkers = 1\n"
	harness.Write(t, dir, "host.toml", toml)
	h := harness.Start(t, "--watch", "-c", filepath.Join(dir, "host.toml"))
	h.Logs.Await(t, "watching files")
	harness.Write(t, dir, "host.toml", toml+"env = { SAYS = \"hello\" }\n")
	awaits(h, "/", "hello")
	harness.Write(t, dir, "host.toml", toml+"wrokers = 3\n")
	h.Eventually("a browser is shown the mistake", func() bool {
		status, page := browse(h, "/")
		return status == 500 && strings.Contains(page, "host.toml:4") && strings.Contains(page, "workers")
	})
	if _, got := h.Get("/"); got != "hello" {
		t.Errorf("meanwhile a program gets %q", got)
	}
	other := harness.PHPWorker(t, harness.AnsweringWith(`'elsewhere'`))
	harness.Write(t, dir, "host.toml", strings.Replace(toml, "worker.php", filepath.Join(other, "worker.php"), 1))
	awaits(h, "/", "elsewhere")
	h.Eventually("the other folder is watched", func() bool {
		return strings.Contains(h.Logs.String(), "folders="+other)
	})
	harness.WritePHP(t, other, harness.AnsweringWith(`'elsewhere, and newer'`))
	awaits(h, "/", "elsewhere, and newer")
	harness.Write(t, dir, "host.toml", toml) // which is in neither folder now
	awaits(h, "/", "nothing")
}

func TestWatchStartsCodeThatNeverRanOnceItIsMended(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, "Worker::create( ;")
	addr := harness.FreeAddress(t)
	h := harness.Launch(t, addr, "-l", addr, "-n", "2", "--watch", dir)
	h.Logs.Await(t, "watching files")
	h.Logs.Await(t, "syntax error")
	h.Logs.Await(t, "listening")
	if status, page := browse(h, "/"); status != 503 || !strings.Contains(page, "syntax error") {
		t.Errorf("before: %d %s", status, page)
	}
	harness.WritePHP(t, dir, harness.AnsweringWith(`'mended'`))
	awaits(h, "/", "mended")
}
