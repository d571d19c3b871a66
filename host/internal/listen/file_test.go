package listen

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// tree makes files in a new folder; a content that begins with "->" makes a symlink.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, link := strings.CutPrefix(content, "->"); link {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAWorkersFileIsServedFromItsRootsOnly(t *testing.T) {
	base := tree(t, map[string]string{
		"root/a.txt": "0123456789", "root/sub/b.bin": "b", "root/inside": "->sub/b.bin", "root/out": "->../secret",
		"root/abs": "->/etc/hostname",
		"secret":   "secret", "current": "->root", "root2/c": "c",
	})
	fifo(t, filepath.Join(base, "root/pipe"))
	h := start(t, func(c *call) {
		status := 200
		fmt.Sscan(c.header("X-Status"), &status)
		c.say(func() {
			c.sink.Respond(&protocol.Response{Flags: 3, Status: status, File: c.header("X-File"),
				Headers: []string{"Content-Disposition", "attachment", "Content-Length", "999999", "Cache-Control",
					"private"}})
		})
	})
	h.backend.traits.FileRoots = []string{filepath.Join(base, "nowhere"), filepath.Join(base, "root"),
		filepath.Join(base, "root2")}
	for path, want := range map[string]int{
		"root/a.txt": 200, "root/sub/../a.txt": 200, "root/sub/b.bin": 200, "root/inside": 200, "root2/c": 200,
		"current/a.txt": 200,
		"root/out":      502, "root/abs": 502, "secret": 502, "root/../secret": 502, "root/sub": 502, "root": 502,
		"root/none": 502, "root/pipe": 502, "nowhere/x": 502,
	} {
		if resp, _ := h.do("GET", "/", nil, "X-File", base+"/"+path); resp.StatusCode != want {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if resp, _ := h.do("GET", "/", nil, "X-File", "a.txt"); resp.StatusCode != 502 {
		t.Errorf("a relative path: %s", resp.Status)
	}
	if !strings.Contains(h.logged.String(), "file_roots") {
		t.Error("the log does not say what to do")
	}
	file := base + "/root/a.txt"
	resp, body := h.do("GET", "/", nil, "X-File", file)
	if body != "0123456789" || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" ||
		resp.Header.Get("Content-Disposition") != "attachment" || resp.ContentLength != 10 {
		t.Errorf("%q %v", body, resp.Header)
	}
	for _, test := range []struct {
		method, name, value string
		status              int
		body                string
	}{
		{"GET", "Range", "bytes=2-4", 206, "234"}, {"GET", "Range", "bytes=-3", 206, "789"},
		{"GET", "Range", "bytes=20-", 416, ""},
		{"GET", "If-None-Match", resp.Header.Get("Etag"), 304, ""},
		{"GET", "If-Modified-Since", resp.Header.Get("Last-Modified"), 304, ""},
		{"HEAD", "X", "y", 200, ""}, {"POST", "Range", "bytes=2-4", 200, "0123456789"},
		{"GET", "X-Status", "404", 404, "0123456789"},
	} {
		resp, body := h.do(test.method, "/", nil, "X-File", file, test.name, test.value)
		if resp.StatusCode != test.status || test.status != 416 && body != test.body {
			t.Errorf("%v: %s %q", test, resp.Status, body)
		}
	}
}

func TestStaticFilesComeBeforeTheWorkers(t *testing.T) {
	base := tree(t, map[string]string{
		"public/a.css": "a{}", "public/index.html": "<p>", "public/dir/index.html": "d", "public/empty/x": "",
		"public/.env": "secret", "public/.git/config": "secret",
		"public/.well-known/acme": "token", "public/.well-known/.x": "secret", "public/a.php": "secret",
		"public/b.PhP": "secret", "public/c.phtml": "secret",
		"public/d.phar": "secret", "public/e.inc": "secret", "public/f.php7": "secret", "public/with space.txt": "s",
		"public/out": "->../secret", "public/abs": "->/etc/hostname",
		"public/link.css": "->a.css", "public/g.unknown": "g", "public/php": "no code", "secret": "secret",
		"public/config.php.bak": "secret", "public/x.BAK": "secret", "public/x.swp": "secret",
		"public/x.css~": "secret", "public/x.php.orig": "secret", "public/x.old": "secret",
		"public/#x.css#": "secret", "public/x.php.save": "secret", "public/x.tmp": "secret", "public/bak": "fine",
		"public/a~b.txt": "fine",
	})
	var used string
	h := start(t, func(c *call) {
		used = c.request.Target
		c.whole(404, "worker")
	}, func(o *Options) { o.Public = base + "/public" })
	for path, want := range map[string]string{
		"/a.css": "text/css; charset=utf-8", "/": "text/html; charset=utf-8", "/dir/": "text/html; charset=utf-8",
		"/.well-known/acme": "application/octet-stream",
		"/with%20space.txt": "text/plain; charset=utf-8", "/link.css": "text/css; charset=utf-8",
		"/g.unknown": "application/octet-stream", "/a.css?v=1": "text/css; charset=utf-8",
		"/%61.css": "text/css; charset=utf-8", "/php": "application/octet-stream", "/bak": "application/octet-stream",
		"/a~b.txt": "text/plain; charset=utf-8", "/index.html": "text/html; charset=utf-8",
	} {
		if resp, body := h.get(path); resp.StatusCode != 200 || resp.Header.Get("Content-Type") != want ||
			body == "worker" {
			t.Errorf("%s: %s %v", path, resp.Status, resp.Header)
		}
	}
	if n := h.backend.calls.Load(); n != 0 {
		t.Errorf("%d requests went to a worker", n)
	}
	for _, path := range []string{
		"/none", "/empty", "/empty/", "/.env", "/.git/config", "/%2egit/config", "/.well-known/.x", "/a.php", "/b.PhP",
		"/c.phtml", "/d.phar", "/e.inc", "/f.php7", "/a.php/x",
		"/out", "/abs", "/../secret", "/%2e%2e/secret", "/dir/../../secret", "/..%2fsecret", "/dir%2findex.html",
		"/..\\secret", "/%5c..%5csecret", "/a.css%00", "/a.css%00.txt",
		"//a.css", "/./a.css", "/dir//index.html", "/a.php%20", "/a.php.", "/a.php::$DATA", "/a.css/",
		"/config.php.bak", "/x.BAK", "/x.swp", "/x.css~", "/x.css%7E", "/x.php.orig", "/x.old", "/%23x.css%23",
		"/x.php.save", "/x.tmp",
	} {
		used = ""
		got := h.raw("GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if used != path || !strings.HasSuffix(got, "worker") {
			t.Errorf("%s: the worker got %q, the client %q", path, used, statusLine(got))
		}
	}
	if text := h.logged.String(); strings.Count(text, "leads out of the public folder") != 1 ||
		!strings.Contains(text, "file_roots: add its folder there") {
		t.Errorf("of symlinks that lead out the log says %s", text)
	}
	for path, want := range map[string]string{"/dir": "/dir/", "/dir?a=%2F": "/dir/?a=%2F", "/d%69r": "/d%69r/"} {
		for _, method := range []string{"GET", "HEAD"} {
			got := h.raw(method + " " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 301 ") || !strings.Contains(got, "\r\nLocation: "+want+"\r\n") {
				t.Errorf("%s %s: %q", method, path, got)
			}
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		if _, body := h.do(method, "/dir", nil); body != "worker" {
			t.Errorf("%s of a folder was not the worker's", method)
		}
		if _, body := h.do(method, "/a.css", nil); body != "worker" {
			t.Errorf("%s was not the worker's", method)
		}
	}
}

func TestAStaticFileHasValidatorsAndRanges(t *testing.T) {
	base := tree(t, map[string]string{"a.txt": "0123456789"})
	h := start(t, hello, func(o *Options) { o.Public = base })
	first, _ := h.get("/a.txt")
	tag, date := first.Header.Get("Etag"), first.Header.Get("Last-Modified")
	if tag == "" || tag[0] != '"' || date == "" || first.Header.Get("Accept-Ranges") != "bytes" {
		t.Fatal(first.Header)
	}
	for _, test := range []struct {
		name, value string
		status      int
		body        string
	}{
		{"If-None-Match", tag, 304, ""}, {"If-None-Match", `"other"`, 200, "0123456789"},
		{"If-Modified-Since", date, 304, ""}, {"If-Match", `"other"`, 412, ""},
		{"Range", "bytes=0-0", 206, "0"}, {"Range", "bytes=5-", 206, "56789"}, {"Range", "bytes=10-", 416, "*"},
		{"Range", "Bytes=2-4", 206, "234"}, {"Range", "bytes=-3", 206, "789"},
		{"Range", "bytes=-99", 206, "0123456789"},
		{"Range", "bytes=-0", 416, "*"}, {"Range", "bytes=-00, -0", 416, "*"}, {"Range", "bytes=-0, 1-2", 206, "12"},
		{"Range", "bytes=5-2", 416, "*"}, {"Range", "bytes=x", 416, "*"},
		{"Range", "items=0-1", 200, "0123456789"}, {"Range", "nonsense", 200, "0123456789"},
	} {
		resp, body := h.do("GET", "/a.txt", nil, test.name, test.value)
		if resp.StatusCode != test.status || test.body != "*" && body != test.body {
			t.Errorf("%v: %s %q", test, resp.Status, body)
		}
	}
	if resp, body := h.do("HEAD", "/a.txt", nil); body != "" || resp.ContentLength != 10 {
		t.Errorf("HEAD: %q %d", body, resp.ContentLength)
	}
	if resp, _ := h.do("HEAD", "/a.txt", nil, "Range", "bytes=2-4"); resp.StatusCode != 200 ||
		resp.ContentLength != 10 {
		t.Errorf("HEAD with a range: %s, %d bytes", resp.Status, resp.ContentLength)
	}
	for _, test := range []struct {
		tag, body string
		status    int
	}{{tag, "234", 206}, {"W/" + tag, "0123456789", 200}, {`"other"`, "0123456789", 200}, {date, "234", 206}} {
		resp, body := h.do("GET", "/a.txt", nil, "Range", "bytes=2-4", "If-Range", test.tag)
		if resp.StatusCode != test.status || body != test.body {
			t.Errorf("If-Range %s: %s %q", test.tag, resp.Status, body)
		}
	}
	resp, body := h.do("GET", "/a.txt", nil, "Range", "bytes=0-1,8-9")
	if resp.StatusCode != 206 ||
		!strings.HasPrefix(resp.Header.Get("Content-Type"), "multipart/byteranges; boundary=") ||
		strings.Count(body, "Content-Range: bytes ") != 2 {
		t.Errorf("two ranges: %s %v %q", resp.Status, resp.Header, body)
	}
	if resp, _ := h.do("GET", "/a.txt", nil, "Range", "bytes=-0"); resp.Header.Get("Content-Range") != "bytes */10" {
		t.Errorf("a suffix of nothing: %v", resp.Header)
	}
	if err := os.WriteFile(base+"/a.txt", []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if resp, body := h.do("GET", "/a.txt", nil, "If-None-Match", tag); resp.StatusCode != http.StatusOK ||
		body != "changed" {
		t.Errorf("after a change: %s %q", resp.Status, body)
	}
}

func TestALargeFileArrivesWholeWhateverTheProtocol(t *testing.T) {
	base := t.TempDir()
	content := pattern(5<<20 + 1)
	if err := os.WriteFile(base+"/big.bin", content, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, o := range []func(*Options){func(o *Options) {}, withTLS(t)} {
		h := start(t, hello, o, func(o *Options) { o.Public = base })
		for name, client := range h.clientsFor() {
			h.client = client
			if _, body := h.get("/big.bin"); digest([]byte(body)) != digest(content) {
				t.Errorf("%s: %d bytes", name, len(body))
			}
		}
	}
}

func TestAReloadServesTheFolderThatTheSymlinkNamesNow(t *testing.T) {
	base := tree(t, map[string]string{"r1/a.txt": "one", "r2/a.txt": "two", "current": "->r1"})
	h := start(t, hello, func(o *Options) { o.Public = base + "/current" })
	os.Remove(base + "/current")
	os.Symlink("r2", base+"/current")
	if _, body := h.get("/a.txt"); body != "one" {
		t.Errorf("before the reload: %q", body)
	}
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, body := h.get("/a.txt"); body != "two" {
		t.Errorf("after the reload: %q", body)
	}
	os.Remove(base + "/current")
	if err := h.Reload(); err == nil || !strings.Contains(err.Error(), "public") {
		t.Errorf("a missing folder: %v", err)
	}
	if _, body := h.get("/a.txt"); body != "two" {
		t.Errorf("after a failed reload: %q", body)
	}
}
