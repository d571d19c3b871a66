// examples/php-fpm, page by page: a site that knows nothing of this host.

package examples

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestASiteOfUnmodifiedPHPRunsAsItIs(t *testing.T) {
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "php-fpm")
	b := newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml")))

	b.sees("/", 200, textHTML, "<h1>Files</h1>", "There is none yet.")
	b.sees("/hello/Ada", 200, textHTML, "<h1>Hello, Ada!</h1>")
	b.sees("/nowhere", 404, textHTML, "There is no such page.")
	b.sees("/about.php/a/b", 200, "text/plain; charset=utf-8", "workerhost/", "asked for /a/b")
	b.sees("/style.css", 200, "text/css; charset=utf-8", "sans-serif")

	content := bytes.Repeat([]byte("0123456789abcde\n"), 1<<20/16)
	p := b.upload("/upload", "", "a & b.bin", content)
	if p.StatusCode != 303 || p.Header.Get("Location") != "/" {
		t.Errorf("after the upload: %s to %q: %s", p.Status, p.Header.Get("Location"), p.body)
	}
	b.sees("/", 200, textHTML, `<a href="/uploads/a%20%26%20b.bin">a &amp; b.bin</a>, 1048576 bytes`)
	if p := b.sees("/uploads/a%20%26%20b.bin", 200, "application/octet-stream"); p.body != string(content) {
		t.Errorf("%d bytes came back", len(p.body))
	}
	b.upload("/upload", "", "evil.php", []byte("<?php echo 'evil';"))
	b.sees("/", 200, textHTML, ">evil.php</a>, 18 bytes")
	b.sees("/uploads/evil.php", 403, "text/plain; charset=utf-8")
	b.expect("POST", "/upload", formType, "a=b", 422, textHTML, "That is no file.")

	b.deploys("<h1>Files</h1>", "<h1>All files</h1>", func() {
		edit(t, filepath.Join(folder, "public/index.php"), "page('Files'", "page('All files'")
	})
}
