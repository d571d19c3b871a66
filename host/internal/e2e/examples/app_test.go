// examples/app-php, page by page.

package examples

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

const (
	htmlType = "text/html; charset=utf-8"
	jsonType = "application/json"
	csvType  = "text/csv; charset=utf-8"
	formType = "application/x-www-form-urlencoded"
)

// note is what the API says of one.
type note struct {
	ID   int
	Text string
}

func TestPagesOfTheSmallApplication(t *testing.T) {
	t.Parallel()
	b, _ := serveApp(t)

	p := b.sees("/", 200, htmlType, "<h1>Notes</h1>", "Visit 1 of this browser")
	if cookie := p.Header.Get("Set-Cookie"); cookie != "visits=1; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax" {
		t.Errorf("Set-Cookie: %s", cookie)
	}
	b.sees("/", 200, htmlType, "Visit 2 of this browser")
	head := b.do("HEAD", "/", "", nil)
	head.check(t, 200, htmlType)
	if head.body != "" || head.ContentLength <= 0 {
		t.Errorf("HEAD: %d bytes, Content-Length %d", len(head.body), head.ContentLength)
	}

	p = b.expect("POST", "/notes", formType, "text=%3Cb%3E+%26+M%C3%BCsli", 303, "")
	if p.Header.Get("Location") != "/" {
		t.Errorf("Location: %q", p.Header.Get("Location"))
	}
	b.sees("/", 200, htmlType, "<li>&lt;b&gt; &amp; Müsli</li>")
	b.expect("POST", "/notes", formType, "text=", 422, htmlType, "A note has 1 to 200 characters.")
	b.expect("POST", "/notes", formType, "text[]=a", 422, htmlType)

	b.sees("/nowhere", 404, htmlType, "There is no such page.")
	b.sees("/api/nowhere", 404, jsonType, `{"error":"There is no such page."}`)
	p = b.expect("DELETE", "/upload", "", "", 405, htmlType, "DELETE is not for this page.")
	if p.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("Allow: %q", p.Header.Get("Allow"))
	}

	slow := decode[struct{ Slept_ms, PID int }](t, b.sees("/slow?ms=30", 200, jsonType))
	if slow.Slept_ms != 30 || !runs(b.Host, slow.PID) {
		t.Errorf("%+v is no worker of %+v", slow, b.Status())
	}
}

// runs says whether a worker has that process id.
func runs(h *harness.Host, pid int) bool {
	for _, pool := range h.Status().Pools {
		for _, worker := range pool.Workers {
			if worker.PID == pid {
				return true
			}
		}
	}
	return false
}

func TestTheHostItselfServesThePublicFolder(t *testing.T) {
	t.Parallel()
	b, folder := serveApp(t)
	css, err := os.ReadFile(filepath.Join(folder, "public/app.css"))
	harness.Must(t, err)
	p := b.sees("/app.css", 200, "text/css; charset=utf-8")
	if p.body != string(css) {
		t.Errorf("%d bytes came of %d", len(p.body), len(css))
	}
	again, _ := http.NewRequest("GET", b.URL+"/app.css", nil)
	again.Header.Set("If-None-Match", p.Header.Get("Etag"))
	if p := b.send(again); p.StatusCode != 304 || p.body != "" {
		t.Errorf("the same file again: %s", p.Status)
	}
	for _, pool := range b.Status().Pools {
		for _, worker := range pool.Workers {
			if worker.Requests != 0 {
				t.Errorf("worker %d was asked", worker.Slot)
			}
		}
	}
}

func TestTheSmallApplicationNeedsNoHostToml(t *testing.T) {
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "app-php")
	b := newBrowser(harness.Start(t, "-n", "2", filepath.Join(folder, "worker.php")))
	b.sees("/", 200, htmlType, "<h1>Notes</h1>")
	b.sees("/app.css", 200, "text/css; charset=utf-8", "color-scheme: light dark")
}

func TestNotesCanBeWrittenReadChangedAndDeleted(t *testing.T) {
	t.Parallel()
	b, _ := serveApp(t)
	b.sees("/api/notes", 200, jsonType, "[]")
	p := b.expect("POST", "/api/notes", jsonType, `{"text":"Buy ½ l milk"}`, 201, jsonType,
		`{"id":1,"text":"Buy ½ l milk"}`)
	if p.Header.Get("Location") != "/api/notes/1" {
		t.Errorf("Location: %q", p.Header.Get("Location"))
	}
	b.sees("/api/notes/1", 200, jsonType, `{"id":1,"text":"Buy ½ l milk"}`)
	b.expect("PUT", "/api/notes/1", jsonType, `{"text":"Buy bread"}`, 200, jsonType, `{"id":1,"text":"Buy bread"}`)
	b.sees("/api/notes", 200, jsonType, `[{"id":1,"text":"Buy bread"}]`)
	for _, broken := range []string{"", "{", `"text"`, `{"text":7}`, `{"text":""}`,
		`{"text":"` + strings.Repeat("x", 201) + `"}`} {
		b.expect("POST", "/api/notes", jsonType, broken, 422, jsonType, `"error"`)
	}
	p = b.expect("PATCH", "/api/notes/1", jsonType, "{}", 405, jsonType)
	if p.Header.Get("Allow") != "GET, HEAD, PUT, DELETE" {
		t.Errorf("Allow: %q", p.Header.Get("Allow"))
	}
	if p := b.do("DELETE", "/api/notes/1", "", nil); p.StatusCode != 204 || p.body != "" {
		t.Errorf("DELETE: %s %q", p.Status, p.body)
	}
	for _, method := range []string{"GET", "DELETE"} {
		b.expect(method, "/api/notes/1", "", "", 404, jsonType, "There is no such note.")
	}
	b.expect("PUT", "/api/notes/1", jsonType, `{"text":"gone"}`, 404, jsonType)
}

func TestWorkersShareTheNotes(t *testing.T) {
	t.Parallel()
	b, _ := serveApp(t)
	const writers, each = 8, 10
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				resp, err := http.Post(b.URL+"/api/notes", jsonType,
					strings.NewReader(fmt.Sprintf(`{"text":"%d of %d"}`, i, w)))
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				if resp.StatusCode != 201 {
					t.Errorf("note %d of %d: %s", i, w, resp.Status)
				}
			}
		})
	}
	all.Wait()
	notes := decode[[]note](t, b.sees("/api/notes", 200, jsonType))
	texts := map[string]bool{}
	for _, n := range notes {
		texts[n.Text] = true
	}
	if len(notes) != writers*each || len(texts) != writers*each {
		t.Errorf("%d notes, %d of them different, were kept of %d", len(notes), len(texts), writers*each)
	}
}

func TestAnUploadOfFiveMebibytesIsKeptAndComesBack(t *testing.T) {
	t.Parallel()
	b, folder := serveApp(t)
	content := bytes.Repeat([]byte("0123456789abcde\n"), 5<<20/16)
	p := b.upload("/upload", "My <photo>", `../../a "b" ü.png`, content)
	p.check(t, 201, htmlType, "<h1>My &lt;photo&gt;</h1>", "5242880 bytes", fmt.Sprintf("%x", sha256.Sum256(content)))
	link := match(t, p, `href="(/uploads/[^"]+)"`)
	if kept, err := os.ReadFile(filepath.Join(folder, "var", link)); err != nil || !bytes.Equal(kept, content) {
		t.Errorf("what was kept: %d bytes, %v", len(kept), err)
	}

	back := b.sees(link, 200, "image/png")
	if back.body != string(content) {
		t.Errorf("%d bytes came back", len(back.body))
	}
	disposition := back.Header.Get("Content-Disposition")
	if !strings.HasPrefix(disposition, "attachment; ") || back.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("a browser might show it: %q %q", disposition, back.Header.Get("X-Content-Type-Options"))
	}
	part, _ := http.NewRequest("GET", b.URL+link, nil)
	part.Header.Set("Range", "bytes=16-31")
	if p := b.send(part); p.StatusCode != 206 || p.body != "0123456789abcde\n" ||
		p.Header.Get("Content-Range") != "bytes 16-31/5242880" {
		t.Errorf("a range: %s %q %q", p.Status, p.body, p.Header.Get("Content-Range"))
	}
	for _, other := range []string{"/uploads/nothing", "/uploads/..%2fnotes.json",
		"/uploads/0123456789abcdef-gone.txt"} {
		b.sees(other, 404, htmlType, "There is no such file.")
	}
}

func TestTheUploadFormSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	b, folder := serveApp(t)
	b.sees("/upload", 200, htmlType, `<input type="file" name="file" required>`)
	b.upload("/upload", " ", "a.txt", []byte("a")).check(t, 422, htmlType, "A title has 1 to 80 characters.")
	b.upload("/upload", `"Title"`, "", nil).check(t, 422, htmlType, "Choose a file.", `value="&quot;Title&quot;"`)
	b.upload("/upload", "Title", "a.txt", make([]byte, 8<<20+1)).check(t, 422, htmlType,
		"The file is larger than 8 MiB.")
	b.expect("POST", "/upload", formType, "title=Title", 422, htmlType, "Choose a file.")
	kept, err := os.ReadDir(filepath.Join(folder, "var/uploads"))
	if err != nil || len(kept) != 0 {
		t.Errorf("%d files were kept all the same, %v", len(kept), err)
	}
	// Beyond host.toml's max_form_file_size no worker is asked.
	if p := b.upload("/upload", "Title", "a.txt", make([]byte, 16<<20+1)); p.StatusCode != 413 {
		t.Errorf("17 MiB: %s", p.Status)
	}
}

func TestAReportIsStreamedWhole(t *testing.T) {
	t.Parallel()
	b, _ := serveApp(t)
	p := b.sees("/report.csv?rows=200000", 200, csvType)
	lines := strings.Split(p.body, "\r\n")
	if len(lines) != 200002 || lines[0] != "number,square,root" || lines[4] != "4,16,2.000" ||
		lines[200000] != "200000,40000000000,447.214" || lines[200001] != "" {
		t.Errorf("%d lines, the last of them %q", len(lines), lines[max(0, len(lines)-3):])
	}
	if p.ContentLength != -1 || p.Header.Get("Content-Disposition") != `attachment; filename="report.csv"` {
		t.Errorf("Content-Length %d, Content-Disposition %q", p.ContentLength, p.Header.Get("Content-Disposition"))
	}
	b.Logs.Await(t, "report sent")
	if p := b.do("HEAD", "/report.csv", "", nil); p.StatusCode != 200 || p.body != "" {
		t.Errorf("HEAD: %s, %d bytes", p.Status, len(p.body))
	}
}

func TestAClientThatLeavesStopsTheReport(t *testing.T) {
	for name, serve := range map[string]func(*testing.T) *browser{
		"app-php":     func(t *testing.T) *browser { b, _ := serveApp(t); return b },
		"symfony-php": serveSymfony,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serve(t)
			b.leave("/report.csv?rows=100000000")
			b.Logs.Await(t, "report stopped, the client has left")
			for range 8 {
				b.sees("/", 200, htmlType)
			}
		})
	}
}

func TestAPageThatFailsTellsTheLogAndNotTheClient(t *testing.T) {
	for name, serve := range map[string]func(*testing.T) *browser{
		"app-php":     func(t *testing.T) *browser { b, _ := serveApp(t); return b },
		"symfony-php": serveSymfony,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serve(t)
			before := b.Status()
			p := b.sees("/broken", 500, htmlType)
			for _, secret := range []string{"example.internal", "password", "RuntimeException", ".php"} {
				if strings.Contains(p.body, secret) {
					t.Errorf("the client reads %q: %s", secret, p.body)
				}
			}
			b.Logs.Await(t, "the database of example.internal refused our password")
			for i, worker := range b.Status().Pools[0].Workers {
				if worker.PID != before.Pools[0].Workers[i].PID {
					t.Errorf("worker %d was replaced", i)
				}
			}
		})
	}
}
