// examples/slim-php, page by page, and a deploy of it.

package examples

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

const phpHTML = "text/html;charset=UTF-8" // as PHP completes a text/html

func TestASlimApplicationRunsInWorkers(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	folder := release(t, root, "1", "slim-php")
	b := newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml")))

	p := b.sees("/", 200, textHTML, "<h1>Slim, resident</h1>", "Visit 1 of this browser", `href="/hello/Ada"`)
	token := match(t, p, `name="token" value="([^"]+)"`)
	for n := 2; n <= 9; n++ { // more than there are workers
		b.sees("/", 200, textHTML, fmt.Sprintf("Visit %d of this browser", n))
	}
	newBrowser(b.Host).sees("/", 200, textHTML, "Visit 1 of this browser", "<ul></ul>")
	b.sees("/style.css", 200, "text/css; charset=utf-8", "sans-serif")
	hello := decode[struct {
		Hello, Client string
		Query         map[string]string
	}](t, b.sees("/hello/Ada%20%26%20Co?from=here", 200, "application/json"))
	if hello.Hello != "Ada & Co" || hello.Client != "127.0.0.1" || hello.Query["from"] != "here" {
		t.Errorf("%+v", hello)
	}

	note := func(text, token string) string { return url.Values{"note": {text}, "token": {token}}.Encode() }
	b.expect("POST", "/notes", formType, note("a", "b"), 403, textHTML, "The form has expired.")
	b.expect("POST", "/notes", formType, note(" ", token), 422, textHTML, "1 to 200 bytes")
	p = b.expect("POST", "/notes", formType, note("1 < 2", token), 303, textHTML)
	if p.Header.Get("Location") != "/" {
		t.Errorf("after the note: to %q", p.Header.Get("Location"))
	}
	b.sees("/", 200, textHTML, "<ul><li>1 &lt; 2</ul>")

	content := bytes.Repeat([]byte("0123456789abcde\n"), 2<<20/16)
	file := decode[struct {
		Title, Name, SHA256 string
		Size                int
	}](t, b.upload("/upload", "Photo", "a b.bin", content))
	if file.Title != "Photo" || file.Name != "a b.bin" || file.Size != len(content) ||
		file.SHA256 != fmt.Sprintf("%x", sha256.Sum256(content)) {
		t.Errorf("%+v", file)
	}
	b.expect("POST", "/upload", formType, "title=Photo", 422, "application/json", "give a file")

	b.sees("/nowhere", 404, phpHTML, "Page Not Found")
	if p := b.expect("PUT", "/", "", "", 405, phpHTML); p.Header.Get("Allow") != http.MethodGet {
		t.Errorf("Allow: %q", p.Header.Get("Allow"))
	}
	p = b.sees("/broken", 500, phpHTML, "Slim Application Error")
	if strings.Contains(p.body, "example.internal") {
		t.Error("the page tells of the exception")
	}
	b.Logs.Await(t, "example.internal")

	b.deploys("Slim, resident", "Slim, renewed", func() {
		folder := release(t, root, "2", "slim-php")
		edit(t, filepath.Join(folder, "src/app.php"), "Slim, resident", "Slim, renewed")
	})
	folder = release(t, root, "3", "slim-php")
	edit(t, filepath.Join(folder, "src/app.php"), "return $app;", "return $app")
	if out, code := b.Run("reload"); code != 1 || !strings.Contains(out, "app.php") {
		t.Errorf("a route that PHP can't read went live: exit %d\n%s", code, out)
	}
	b.sees("/", 200, textHTML, "Slim, renewed", "1 &lt; 2")
}
