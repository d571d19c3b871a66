// host serve --watch: what is saved is live, unless it is broken.

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// browse asks as a browser does for a page.
func browse(h *host, path string) (int, string) {
	h.t.Helper()
	req, err := http.NewRequest(http.MethodGet, h.url+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// awaits returns when a program that asks for path gets text.
func awaits(h *host, path, text string) {
	h.t.Helper()
	h.eventually(path+" answers "+text, func() bool { _, got := h.get(path); return got == text })
}

const answering = `Worker::create()->onRequest(fn () => Response::text(%s))->run();`

func answeringWith(expression string) string { return strings.Replace(answering, "%s", expression, 1) }

func TestWatchPutsSavedCodeLiveAndKeepsBrokenCodeOut(t *testing.T) {
	for name, flag := range map[string]string{"notified": "--watch", "polled": "--watch=poll"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := phpWorker(t, answeringWith(`'one'`))
			h := start(t, "-n", "2", flag, dir)
			awaits(h, "/", "one")
			h.logs.await(t, "watching files")

			writePHP(t, dir, answeringWith(`'two'`))
			awaits(h, "/", "two")

			before := h.status().Pools[0].Generation
			writePHP(t, dir, "Worker::create( <b> ;")
			h.logs.await(t, "syntax error")
			if _, got := h.get("/"); got != "two" {
				t.Errorf("with broken code a program gets %q", got)
			}
			h.eventually("a browser is shown the error", func() bool {
				status, page := browse(h, "/")
				return status == 500 && strings.Contains(page, "syntax error") && strings.Contains(page, "worker.php")
			})
			if got := h.status().Pools[0].Generation; got != before {
				t.Errorf("a file that php -l refuses led to generation %d", got)
			}

			write(t, dir, "other.php", "<?php // sound") // is no reason to take the broken file over
			h.logs.await(t, "other.php")
			if _, got := h.get("/"); got != "two" {
				t.Errorf("with broken code and a sound file a program gets %q", got)
			}

			writePHP(t, dir, answeringWith(`'three'`))
			awaits(h, "/", "three")
			h.eventually("the error page gives way", func() bool { status, page := browse(h, "/"); return status == 200 && page == "three" })
		})
	}
}

func TestWatchShowsWhyNewCodeDoesNotBoot(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, answeringWith(`'one'`))
	h := start(t, "-n", "1", "--watch", dir)
	h.logs.await(t, "watching files")
	writePHP(t, dir, "Nowhere::call('<script>');")
	h.eventually("a browser is shown the error", func() bool {
		status, page := browse(h, "/")
		return status == 500 && strings.Contains(page, "&#34;Nowhere&#34; not found")
	})
	if _, got := h.get("/"); got != "one" {
		t.Errorf("meanwhile a program gets %q", got)
	}
	writePHP(t, dir, answeringWith(`'two'`))
	awaits(h, "/", "two")
}

func TestWatchWithoutDevTellsClientsNothing(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, answeringWith(`'one'`))
	h := start(t, "-n", "1", "--watch", "--dev=false", dir)
	h.logs.await(t, "watching files")
	writePHP(t, dir, "Worker::create( ;")
	h.logs.await(t, "syntax error")
	if status, page := browse(h, "/"); status != 200 || page != "one" {
		t.Errorf("%d %q", status, page)
	}
}

func TestWatchBuildsGoAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if name == "go.mod" {
			text = strings.Replace(text, "module github.com/workerhost/workerhost", "module example.com/app", 1)
			text += fmt.Sprintf("\nrequire github.com/workerhost/workerhost v0.0.0\nreplace github.com/workerhost/workerhost => %q\n", repository)
		}
		write(t, dir, name, text)
	}
	program := func(says string) string {
		return "package main\n\nimport (\n\t\"io\"\n\t\"net/http\"\n\n\tsdk \"github.com/workerhost/workerhost/sdk-go\"\n)\n\nfunc main() {\n" +
			"\thttp.HandleFunc(\"/\", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, " + says + ") })\n\tsdk.Serve(nil)\n}\n"
	}
	write(t, dir, "main.go", program(`"one"`))
	h := start(t, "-n", "1", "--watch", dir)
	h.logs.await(t, "watching files")
	write(t, dir, "main.go", program("nowhere"))
	h.eventually("a browser is shown what the compiler says", func() bool {
		status, page := browse(h, "/")
		return status == 500 && strings.Contains(page, "undefined: nowhere")
	})
	if _, got := h.get("/"); got != "one" {
		t.Errorf("meanwhile a program gets %q", got)
	}
	write(t, dir, "main.go", program(`"two"`))
	awaits(h, "/", "two")
}

func TestWatchAppliesASavedConfiguration(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, answeringWith(`getenv('SAYS') ?: 'nothing'`))
	toml := "[pool.web]\nworker = \"worker.php\"\nworkers = 1\n"
	write(t, dir, "host.toml", toml)
	h := start(t, "--watch", "-c", filepath.Join(dir, "host.toml"))
	h.logs.await(t, "watching files")
	write(t, dir, "host.toml", toml+"env = { SAYS = \"hello\" }\n")
	awaits(h, "/", "hello")
	write(t, dir, "host.toml", toml+"wrokers = 3\n")
	h.eventually("a browser is shown the mistake", func() bool {
		status, page := browse(h, "/")
		return status == 500 && strings.Contains(page, "host.toml:4") && strings.Contains(page, "workers")
	})
	if _, got := h.get("/"); got != "hello" {
		t.Errorf("meanwhile a program gets %q", got)
	}
	other := phpWorker(t, answeringWith(`'elsewhere'`))
	write(t, dir, "host.toml", strings.Replace(toml, "worker.php", filepath.Join(other, "worker.php"), 1))
	awaits(h, "/", "elsewhere")
	h.eventually("the other folder is watched", func() bool { return strings.Contains(h.logs.String(), "folders="+other) })
	writePHP(t, other, answeringWith(`'elsewhere, and newer'`))
	awaits(h, "/", "elsewhere, and newer")
	write(t, dir, "host.toml", toml) // which is in neither folder now
	awaits(h, "/", "nothing")
}

func TestWatchStartsCodeThatNeverRanOnceItIsMended(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, "Worker::create( ;")
	addr := freeAddress(t)
	h := launch(t, addr, "-l", addr, "-n", "2", "--watch", dir)
	h.logs.await(t, "watching files")
	h.logs.await(t, "syntax error")
	h.logs.await(t, "listening")
	if status, page := browse(h, "/"); status != 503 || !strings.Contains(page, "syntax error") {
		t.Errorf("before: %d %s", status, page)
	}
	writePHP(t, dir, answeringWith(`'mended'`))
	awaits(h, "/", "mended")
}
