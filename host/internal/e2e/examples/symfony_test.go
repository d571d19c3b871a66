// examples/symfony-php, page by page, and a deploy of every example.

package examples

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestPagesOfTheSymfonyApplication(t *testing.T) {
	t.Parallel()
	b := serveSymfony(t)

	p := b.sees("/", 200, htmlType, "<h1>Symfony, resident</h1>", "Visit 1 of this browser",
		`href="/hello/Ada%20%26%20Co?from=here"`)
	if cookie := p.Header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "visits=1; expires=") ||
		!strings.Contains(cookie, "httponly") {
		t.Errorf("Set-Cookie: %s", cookie)
	}
	b.sees("/", 200, htmlType, "Visit 2 of this browser")
	if p := b.do("HEAD", "/", "", nil); p.StatusCode != 200 || p.body != "" {
		t.Errorf("HEAD: %s, %d bytes", p.Status, len(p.body))
	}

	hello := decode[struct {
		Hello, Client, URL string
		Query              map[string]any
	}](t, b.sees("/hello/Ada%20%26%20Co?from=here&a[]=1", 200, jsonType))
	if hello.Hello != "Ada & Co" || hello.Client != "127.0.0.1" || hello.URL != b.URL+"/hello/Ada%20%26%20Co" ||
		hello.Query["from"] != "here" || fmt.Sprint(hello.Query["a"]) != "[1]" {
		t.Errorf("%+v", hello)
	}

	b.sees("/nowhere", 404, htmlType, "404 Not Found")
	p = b.expect("POST", "/", formType, "a=b", 405, htmlType)
	if p.Header.Get("Allow") != "GET" && p.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow: %q", p.Header.Get("Allow"))
	}
}

func TestSymfonyTakesAnUploadOfFiveMebibytes(t *testing.T) {
	t.Parallel()
	b := serveSymfony(t)
	content := bytes.Repeat([]byte("0123456789abcde\n"), 5<<20/16)
	file := decode[struct {
		Title, Name, Type, SHA256 string
		Size                      int
	}](t, b.upload("/upload", "Photo", "a b.bin", content))
	if file.Title != "Photo" || file.Name != "a b.bin" || file.Type != "application/octet-stream" ||
		file.Size != 5<<20 || file.SHA256 != fmt.Sprintf("%x", sha256.Sum256(content)) {
		t.Errorf("%+v", file)
	}
	b.upload("/upload", "Photo", "", nil).check(t, 422, jsonType)
	b.expect("POST", "/upload", formType, "title=Photo", 422, jsonType, "error")
}

func TestAStreamedResponseOfSymfonyComesWhole(t *testing.T) {
	t.Parallel()
	b := serveSymfony(t)
	p := b.sees("/report.csv?rows=200000", 200, csvType)
	lines := strings.Split(p.body, "\r\n")
	if len(lines) != 200002 || lines[0] != "number,square" || lines[200000] != "200000,40000000000" {
		t.Errorf("%d lines, the last of them %q", len(lines), lines[max(0, len(lines)-3):])
	}
	if p.ContentLength != -1 || p.Header.Get("Content-Disposition") != `attachment; filename="report.csv"` {
		t.Errorf("Content-Length %d, Content-Disposition %q", p.ContentLength, p.Header.Get("Content-Disposition"))
	}
}

func TestServicesOfSymfonyAreResetBetweenRequests(t *testing.T) {
	t.Parallel()
	b := serveSymfony(t)
	resets := 0
	for range 12 { // more than there are workers, so some worker is asked again
		journal := decode[struct {
			Entries []string
			Resets  int
		}](t, b.sees("/journal", 200, jsonType))
		if len(journal.Entries) != 1 {
			t.Errorf("a request sees what others left: %q", journal.Entries)
		}
		resets = max(resets, journal.Resets)
	}
	if resets == 0 {
		t.Error("no service lived on to be reset")
	}
}

func TestSymfonyTerminatesAfterTheClientHasItsResponse(t *testing.T) {
	t.Parallel()
	b := serveSymfony(t)
	b.sees("/hello/Farewell?farewell_ms=1500", 200, jsonType, `"hello":"Farewell"`)
	if strings.Contains(b.Logs.String(), "path=/hello/Farewell") {
		t.Error("the client waited for kernel.terminate")
	}
	b.Logs.Await(t, "path=/hello/Farewell")
}

func TestEveryExampleTakesADeploy(t *testing.T) {
	t.Run("app-php", func(t *testing.T) {
		t.Parallel()
		root := t.TempDir()
		folder := release(t, root, "1", "app-php")
		b := newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml")))
		b.deploys("<h1>Notes</h1>", "<h1>Remarks</h1>", func() {
			edit(t, filepath.Join(release(t, root, "2", "app-php"), "src/Home.php"), "'Notes'", "'Remarks'")
		})
	})
	t.Run("symfony-php", func(t *testing.T) {
		t.Parallel()
		root := t.TempDir()
		folder := releaseSymfony(t, root, "1")
		b := newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml")))
		b.deploys("Symfony, resident", "Symfony, renewed", func() {
			folder := releaseSymfony(t, root, "2")
			edit(t, filepath.Join(folder, "templates/home.html.twig"), "Symfony, resident", "Symfony, renewed")
			edit(t, filepath.Join(folder, "src/Kernel.php"), "'/journal'", "'/diary'")
		})
		b.sees("/diary", 200, jsonType, "entries")
		b.sees("/journal", 404, htmlType)
		// Edited in place: the compiled container and routes are made anew all the same.
		edit(t, filepath.Join(folder, "src/Kernel.php"), "'/diary'", "'/logbook'")
		b.Reload()
		b.sees("/logbook", 200, jsonType, "entries")
	})
	for _, example := range []string{"examples/hello-php", "examples/hello-go"} {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			newBrowser(harness.Start(t, "-n", "2", example)).deploys("Hello, World!", "Hello, World!", func() {})
		})
	}
}

// deploys has new code put in place, reloads, and checks that old code answered until then, that new code answers
// afterwards in new processes, and that whoever asked meanwhile got one or the other.
func (b *browser) deploys(old, new string, deploy func()) {
	b.T.Helper()
	b.shows(old)
	before := b.Status().Pools[0]
	deploy()
	b.shows(old)
	var over atomic.Bool
	asked := make(chan int)
	go func() {
		n := 0
		for ; !over.Load(); n++ {
			resp, err := http.Get(b.URL)
			if err != nil {
				b.T.Error("during the reload: ", err)
				break
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if text := string(body); err != nil || resp.StatusCode != 200 ||
				!strings.Contains(text, old) && !strings.Contains(text, new) {
				b.T.Errorf("during the reload: %s %v %.300s", resp.Status, err, text)
				break
			}
		}
		asked <- n
	}()
	b.Reload()
	over.Store(true)
	if <-asked == 0 {
		b.T.Error("nobody asked during the reload")
	}
	after := b.Status().Pools[0]
	for i, worker := range after.Workers {
		if worker.PID == before.Workers[i].PID || worker.Generation != before.Workers[i].Generation+1 {
			b.T.Errorf("worker %d: pid %d → %d, generation %d → %d", i, before.Workers[i].PID, worker.PID,
				before.Workers[i].Generation, worker.Generation)
		}
	}
	for range 2 * len(after.Workers) {
		b.shows(new)
	}
}

// shows checks that the first page holds the text.
func (b *browser) shows(text string) {
	b.T.Helper()
	if status, body := b.Get("/"); status != 200 || !strings.Contains(body, text) {
		b.T.Fatalf("GET /: %d without %q: %.1000s", status, text, body)
	}
}
