// examples/frankenphp-script, page by page: a script that knows nothing of this host.

package examples

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

const textHTML = "text/html; charset=utf-8"

func serveFrankenPHP(t *testing.T) (b *browser, folder string) {
	t.Helper()
	t.Setenv("APP_DATA", t.TempDir())
	folder = release(t, t.TempDir(), "1", "frankenphp-script")
	return newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml"))), folder
}

func TestAScriptThatWasWrittenForFrankenPHPRunsAsItIs(t *testing.T) {
	b, folder := serveFrankenPHP(t)

	p := b.sees("/", 200, textHTML, "Visit 1 of this browser")
	if cookie := p.Header.Get("Set-Cookie"); cookie != "visits=1; path=/; HttpOnly; SameSite=Lax" {
		t.Errorf("Set-Cookie: %s", cookie)
	}
	b.sees("/", 200, textHTML, "Visit 2 of this browser")
	b.sees("/nowhere", 404, textHTML)
	b.expect("POST", "/echo", jsonType, `{"a":1}`, 200, jsonType, `{"a":1}`)
	b.expect("GET", "/broken", "", "", 500, textHTML, "Something went wrong.")

	content := bytes.Repeat([]byte("0123456789abcde\n"), 2<<20/16)
	file := decode[struct{ Title, Name, SHA256 string }](t, b.upload("/upload", "Photo", "a b.bin", content))
	if file.Title != "Photo" || file.Name != "a b.bin" || file.SHA256 != fmt.Sprintf("%x", sha256.Sum256(content)) {
		t.Errorf("%+v", file)
	}
	b.sees("/upload", 422, textHTML, "multipart/form-data")

	p = b.sees("/report", 200, csvType)
	if lines := strings.Count(p.body, "\r\n"); lines != 200_000 || p.Header.Get("X-Made-By") != "frankenphp" {
		t.Errorf("%d lines, made by %q", lines, p.Header.Get("X-Made-By"))
	}
	b.sees("/later", 200, textHTML, "all that the client waits for")
	b.Logs.Await(t, "the rest is done")

	b.sessionInWhateverWorkerIsFree()
	b.exitCostsOneWorkerAndNoPage()
	b.streamsOutliveAReload(folder)
}

func (b *browser) sessionInWhateverWorkerIsFree() {
	b.T.Helper()
	p := b.expect("POST", "/login", formType, "name=Ada", 302, textHTML)
	if p.Header.Get("Location") != "/me" || len(p.Header.Values("Set-Cookie")) != 1 ||
		p.Header.Get("Cache-Control") != "no-store, no-cache, must-revalidate" {
		b.T.Errorf("after the login: %v", p.Header)
	}
	// A stream holds the one worker, so the other one answers; then the reload has brought new ones.
	for i, hold := range []bool{false, true, false} {
		var held *http.Response
		if hold {
			held = b.begin("/stream?n=10")
		}
		b.sees("/me", 200, textHTML, fmt.Sprintf("You are Ada, seen %d times", i+1))
		if hold {
			held.Body.Close()
		} else {
			b.Reload()
		}
	}
	b.expect("GET", "/logout", "", "", 302, textHTML)
}

// begin asks for a stream, and returns when its first event is there.
func (b *browser) begin(path string) *http.Response {
	b.T.Helper()
	resp, err := http.Get(b.URL + path)
	harness.Must(b.T, err)
	line, err := bufio.NewReaderSize(resp.Body, 16).ReadString('\n')
	if err != nil || line != "data: 1\n" || resp.Header.Get("Content-Type") != "text/event-stream;charset=UTF-8" {
		b.T.Errorf("the stream began with %q, %v, %v", line, err, resp.Header)
	}
	return resp
}

func (b *browser) exitCostsOneWorkerAndNoPage() {
	b.T.Helper()
	for range 4 {
		p := b.expect("GET", "/me", "", "", 303, textHTML)
		if p.Header.Get("Location") != "/login" {
			b.T.Errorf("Location: %q", p.Header.Get("Location"))
		}
	}
	b.Logs.Await(b.T, "this worker ends: the code called exit()")
	b.Logs.Await(b.T, "src/pages.php:")
}

func (b *browser) streamsOutliveAReload(folder string) {
	b.T.Helper()
	stream := b.begin("/stream?n=10")
	defer stream.Body.Close()
	b.deploys("<h1>Hello</h1>", "<h1>Good day</h1>", func() {
		edit(b.T, filepath.Join(folder, "src/pages.php"), "<h1>Hello</h1>", "<h1>Good day</h1>")
	})
	rest, err := io.ReadAll(stream.Body)
	if err != nil || !strings.HasSuffix(string(rest), "data: 10\n\n") {
		b.T.Errorf("the stream ended with %q, %v", rest, err)
	}
	edit(b.T, filepath.Join(folder, "src/pages.php"), "return [", "return [[[")
	if output, code := b.Run("reload"); code == 0 || !strings.Contains(output, "pages.php") {
		b.T.Errorf("broken code went live: %d, %s", code, output)
	}
	b.shows("<h1>Good day</h1>")
}
