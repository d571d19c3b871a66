// examples/laravel-php, page by page, and a deploy of it.

package examples

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// releaseLaravel is release for laravel-php, whose sessions go where the test's other files are.
func releaseLaravel(t *testing.T, root, version string) (folder string) {
	t.Helper()
	folder = release(t, root, version, "laravel-php")
	edit(t, filepath.Join(folder, "host.toml"), `APP_STORAGE = "${APP_STORAGE:-}"`,
		fmt.Sprintf("APP_STORAGE = %q", filepath.Join(root, "storage")))
	return folder
}

func serveLaravel(t *testing.T) (b *browser, root, folder string) {
	t.Helper()
	root = t.TempDir()
	folder = releaseLaravel(t, root, "1")
	return newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml"))), root, folder
}

func TestPagesOfTheLaravelApplication(t *testing.T) {
	t.Parallel()
	b, _, _ := serveLaravel(t)
	p := b.sees("/", 200, htmlType, "<h1>Laravel, unchanged</h1>", "Visit 1 of this browser",
		b.URL+"/hello/Ada%20&amp;%20Co?from=here")
	cookies := strings.Join(p.Header.Values("Set-Cookie"), "\n")
	if !strings.Contains(cookies, "session=") || !strings.Contains(cookies, "httponly; samesite=lax") {
		t.Errorf("Set-Cookie: %s", cookies)
	}
	b.sees("/", 200, htmlType, "Visit 2 of this browser")
	newBrowser(b.Host).sees("/", 200, htmlType, "Visit 1 of this browser")
	hello := decode[struct {
		Hello, Client string
		Query         map[string]any
	}](t, b.sees("/hello/Ada%20%26%20Co?from=here&a[]=1", 200, "application/json"))
	if hello.Hello != "Ada & Co" || hello.Client != "127.0.0.1" || hello.Query["from"] != "here" ||
		fmt.Sprint(hello.Query["a"]) != "[1]" {
		t.Errorf("%+v", hello)
	}
	b.sees("/nowhere", 404, htmlType, "Not Found")
	p = b.sees("/broken", 500, htmlType, "Server Error")
	if strings.Contains(p.body, "example.internal") {
		t.Error("the page tells of the exception")
	}
	b.Logs.Await(t, "example.internal")
	p = b.sees("/report.csv?rows=200000", 200, csvType)
	if lines := strings.Split(p.body, "\r\n"); len(lines) != 200002 || lines[200000] != "200000,40000000000" {
		t.Errorf("the report has %d lines", len(lines))
	}
}

func TestLaravelValidatesAnUpload(t *testing.T) {
	t.Parallel()
	b, _, _ := serveLaravel(t)
	content := bytes.Repeat([]byte("0123456789abcde\n"), 1<<20/16)
	b.upload("/upload", "Photo", "a b.bin", content).check(t, 419, htmlType, "Page Expired")
	token := match(t, b.sees("/", 200, htmlType), `name="_token" value="([^"]+)"`)
	for _, c := range []struct {
		title, name string
		says        []string
	}{
		{"Photo", "", []string{`role="alert">Give a file.`, `value="Photo"`}},
		{"", "a b.bin", []string{`role="alert">Give a title.`}},
		{"Photo", "a b.bin", []string{`role="status">Photo: 1048576 bytes, kept as uploads/`}},
	} {
		kept := content
		if c.name == "" {
			kept = nil
		}
		p := b.upload("/upload", c.title, c.name, kept, "_token", token)
		if p.StatusCode != 302 || p.Header.Get("Location") != b.URL && p.Header.Get("Location") != b.URL+"/" {
			t.Errorf("%+v: %s, to %q", c, p.Status, p.Header.Get("Location"))
		}
		b.sees("/", 200, htmlType, c.says...)
	}
}

func TestABrokenControllerOfLaravelDoesNotGoLive(t *testing.T) {
	t.Parallel()
	b, root, _ := serveLaravel(t)
	b.deploys("Laravel, unchanged", "Laravel, renewed", func() {
		folder := releaseLaravel(t, root, "2")
		edit(t, filepath.Join(folder, "resources/views/home.blade.php"), "Laravel, unchanged", "Laravel, renewed")
		edit(t, filepath.Join(folder, "app/Http/Controllers/Pages.php"), "1 + $request", "100 + $request")
	})
	b.sees("/", 200, htmlType, "Visit 100 of this browser")
	folder := releaseLaravel(t, root, "3")
	edit(t, filepath.Join(folder, "app/Http/Controllers/Uploads.php"), "'required|max:80'", "'required|max:80' .")
	if out, code := b.Run("reload"); code != 1 || !strings.Contains(out, "Uploads.php on line ") {
		t.Errorf("a controller that PHP can't read went live: exit %d\n%s", code, out)
	}
	edit(t, filepath.Join(folder, "app/Http/Controllers/Uploads.php"), "'required|max:80' .", "'required|max:80'")
	edit(t, filepath.Join(folder, "config/app.php"), "App\\Providers\\Routes::class", "App\\Providers\\Absent::class")
	if out, code := b.Run("reload"); code != 1 || !strings.Contains(out, "warm-up GET /up answered 500") {
		t.Errorf("an application that does not boot went live: exit %d\n%s", code, out)
	}
	b.sees("/", 200, htmlType, "Laravel, renewed", "Visit 200 of this browser")
}
