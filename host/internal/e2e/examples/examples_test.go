// The examples, each driven through every page that it has.

package examples

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// release copies an example to where a deploy would put it, so that nothing of a test stays in the repository:
// releases/VERSION, with `current` beside it. It returns the example's folder below current.
func release(t *testing.T, root, version, example string) (folder string) {
	t.Helper()
	place := filepath.Join(root, "releases", version)
	copied := filepath.Join(place, "examples", example)
	harness.Must(t, os.MkdirAll(filepath.Dir(copied), 0o755))
	harness.Must(t, os.CopyFS(copied, os.DirFS(filepath.Join(harness.Repository, "examples", example))))
	harness.Must(t, os.Symlink(filepath.Join(harness.Repository, "sdk-php"), filepath.Join(place, "sdk-php")))
	// what somebody has tried out there is no part of a release
	if kept := filepath.Join(copied, "var"); os.RemoveAll(kept) == nil {
		harness.Must(t, os.Mkdir(kept, 0o755))
	}
	makeCurrent(t, root, version)
	return filepath.Join(root, "current", "examples", example)
}

// makeCurrent is the last step of a deploy: one rename.
func makeCurrent(t *testing.T, root, version string) {
	t.Helper()
	link := filepath.Join(root, "current")
	harness.Must(t, os.Symlink(filepath.Join("releases", version), link+".new"))
	harness.Must(t, os.Rename(link+".new", link))
}

// edit replaces text in a file, and insists that it was there.
func edit(t *testing.T, path, old, new string) {
	t.Helper()
	text, err := os.ReadFile(path)
	harness.Must(t, err)
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s does not hold %q", path, old)
	}
	harness.Must(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, new)), 0o644))
}

// serveApp serves app-php by its host.toml, from a copy.
func serveApp(t *testing.T) (*browser, string) {
	t.Helper()
	folder := release(t, t.TempDir(), "1", "app-php")
	return newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml"))), folder
}

// releaseSymfony is release for symfony-php, whose compiled container goes where the test's other files are.
func releaseSymfony(t *testing.T, root, version string) (folder string) {
	t.Helper()
	folder = release(t, root, version, "symfony-php")
	edit(t, filepath.Join(folder, "host.toml"), "[pool.symfony.env]",
		fmt.Sprintf("[pool.symfony.env]\nAPP_CACHE_DIR = %q", filepath.Join(root, "cache")))
	return folder
}

func serveSymfony(t *testing.T) *browser {
	t.Helper()
	folder := releaseSymfony(t, t.TempDir(), "1")
	return newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml")))
}

// browser keeps cookies and shows redirects instead of following them.
type browser struct {
	*harness.Host
	client http.Client
}

func newBrowser(h *harness.Host) *browser {
	jar, _ := cookiejar.New(nil)
	stop := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{h, http.Client{Jar: jar, CheckRedirect: stop}}
}

// page is a whole response.
type page struct {
	*http.Response
	body string
}

func (b *browser) do(method, path, contentType string, body io.Reader) page {
	b.T.Helper()
	r, err := http.NewRequest(method, b.URL+path, body)
	harness.Must(b.T, err)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return b.send(r)
}

func (b *browser) send(r *http.Request) page {
	b.T.Helper()
	resp, err := b.client.Do(r)
	harness.Must(b.T, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.T.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return page{resp, string(text)}
}

// expect does a request and checks its status, its Content-Type and what its body holds.
func (b *browser) expect(method, path, contentType, body string, status int, wantType string, holds ...string) page {
	b.T.Helper()
	p := b.do(method, path, contentType, strings.NewReader(body))
	p.check(b.T, status, wantType, holds...)
	return p
}

func (b *browser) sees(path string, status int, wantType string, holds ...string) page {
	b.T.Helper()
	return b.expect("GET", path, "", "", status, wantType, holds...)
}

func (p page) check(t *testing.T, status int, wantType string, holds ...string) {
	t.Helper()
	name := p.Request.Method + " " + p.Request.URL.Path
	if p.StatusCode != status {
		t.Fatalf("%s: %s, not %d: %.500s", name, p.Status, status, p.body)
	}
	// Symfony writes UTF-8 in capitals.
	if got := p.Header.Get("Content-Type"); !strings.EqualFold(got, wantType) {
		t.Errorf("%s: Content-Type %q, not %q", name, got, wantType)
	}
	for _, text := range holds {
		if !strings.Contains(p.body, text) {
			t.Errorf("%s lacks %q: %.3000s", name, text, p.body)
		}
	}
}

// upload posts a form with a title and a file, and with more fields, each a name and a value. It waits for the answer.
func (b *browser) upload(path, title, name string, content []byte, more ...string) page {
	b.T.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	harness.Must(b.T, w.WriteField("title", title))
	for i := 0; i < len(more); i += 2 {
		harness.Must(b.T, w.WriteField(more[i], more[i+1]))
	}
	part, err := w.CreateFormFile("file", name)
	harness.Must(b.T, err)
	part.Write(content)
	harness.Must(b.T, w.Close())
	return b.do("POST", path, w.FormDataContentType(), &form)
}

func decode[T any](t *testing.T, p page) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.body), &v); err != nil {
		t.Fatalf("%s: %v in %q", p.Request.URL, err, p.body)
	}
	return v
}

// leave asks for a report far too long to be sent, takes the beginning, and hangs up.
func (b *browser) leave(path string) {
	b.T.Helper()
	resp, err := b.client.Get(b.URL + path)
	harness.Must(b.T, err)
	beginning := make([]byte, 100_000)
	_, err = io.ReadFull(resp.Body, beginning)
	harness.Must(b.T, err)
	resp.Body.Close() // with the rest unread, this closes the connection
}

// match finds what the expression's group stands for in the body.
func match(t *testing.T, p page, expression string) string {
	t.Helper()
	found := regexp.MustCompile(expression).FindStringSubmatch(p.body)
	if found == nil {
		t.Fatalf("%s does not match %s: %.3000s", p.Request.URL.Path, expression, p.body)
	}
	return found[1]
}

func TestHelloExamplesSayHello(t *testing.T) {
	for _, example := range []string{"examples/hello-php", "examples/hello-php/worker.php", "examples/hello-go"} {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			b := newBrowser(harness.Start(t, "-n", "2", example))
			p := b.sees("/", 200, "text/plain", "Hello, World!")
			if p.body != "Hello, World!" || p.ContentLength != 13 {
				t.Errorf("%q, Content-Length %d", p.body, p.ContentLength)
			}
			if p := b.do("HEAD", "/", "", nil); p.StatusCode != 200 || p.body != "" || p.ContentLength != 13 {
				t.Errorf("HEAD: %s, %d bytes, Content-Length %d", p.Status, len(p.body), p.ContentLength)
			}
			b.expect("POST", "/any/path?a=1", "text/plain", "a body that nobody reads", 200, "text/plain",
				"Hello, World!")
		})
	}
}
