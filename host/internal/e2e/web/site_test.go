// What a host.toml makes of a host: static files, files that a worker sends, TLS, unix sockets, several pools.

package web

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestLinksOfThePublicFolderLeadIntoNamedFileRootsAlone(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	for _, folder := range []string{"public", "storage/public", "other"} {
		harness.Must(t, os.MkdirAll(filepath.Join(dir, folder), 0o755))
	}
	harness.Write(t, dir, "storage/public/a.txt", "of the storage")
	harness.Write(t, dir, "storage/public/a.php", "<?php secret")
	harness.Write(t, dir, "other/a.txt", "secret")
	harness.Must(t, os.Symlink("../storage/public", filepath.Join(dir, "public/storage")))
	harness.Must(t, os.Symlink("../other", filepath.Join(dir, "public/other")))
	h := harness.StartPHP(t, dir, "public = \"public\"", "workers = 1\nfile_roots = [\"public\", \"storage/public\"]",
		"")
	if code, text := h.Get("/storage/a.txt"); code != 200 || text != "of the storage" {
		t.Errorf("into a root: %d %q", code, text)
	}
	for _, path := range []string{"/storage/a.php", "/other/a.txt", "/storage/../other/a.txt"} {
		if code, text := h.Get(path); code == 200 && !strings.Contains(text, "no page") {
			t.Errorf("%s: %d %q", path, code, text)
		}
	}
}

func TestStaticFilesComeBeforeTheWorkers(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	public := filepath.Join(dir, "public")
	os.MkdirAll(filepath.Join(public, ".git"), 0o755)
	os.MkdirAll(filepath.Join(public, "sub"), 0o755)
	big, _ := harness.Body(1 << 20)
	harness.Write(t, public, "style.css", "body {}")
	harness.Write(t, public, "big.bin", big)
	harness.Write(t, public, "script.php", "<?php secret")
	harness.Write(t, public, ".env", "secret")
	harness.Write(t, public, "host.toml", "secret")
	harness.Write(t, public, ".git/config", "secret")
	harness.Write(t, dir, "outside", "secret")
	os.Symlink("../outside", filepath.Join(public, "link"))
	h := harness.StartPHP(t, dir, "public = \"public\"", "workers = 1", "")

	resp, err := http.Get(h.URL + "/style.css")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	etag, modified := resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	if string(text) != "body {}" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/css") || etag == "" ||
		modified == "" {
		t.Errorf("%q %v", text, resp.Header)
	}
	ask := func(method, path string, header ...string) harness.Answer {
		t.Helper()
		c := h.Dial()
		c.Send(method + " " + path + " HTTP/1.1\r\nHost: here\r\n" + strings.Join(append(header, ""), "\r\n") + "\r\n")
		return c.Answer(method)
	}
	if a := ask("GET", "/style.css", "If-None-Match: "+etag); a.StatusCode != 304 || a.Text != "" {
		t.Errorf("If-None-Match: %s", a.Status)
	}
	if a := ask("GET", "/style.css", "If-Modified-Since: "+modified); a.StatusCode != 304 {
		t.Errorf("If-Modified-Since: %s", a.Status)
	}
	if a := ask("GET", "/big.bin", "Range: bytes=1000-1999"); a.StatusCode != 206 || a.Text != big[1000:2000] {
		t.Errorf("Range: %s, %d bytes", a.Status, len(a.Text))
	}
	if a := ask("GET", "/big.bin"); a.Text != big {
		t.Errorf("all of it: %s, %d bytes", a.Status, len(a.Text))
	}
	if a := ask("HEAD", "/big.bin"); a.StatusCode != 200 || a.ContentLength != 1<<20 {
		t.Errorf("HEAD: %s, %d", a.Status, a.ContentLength)
	}
	for _, path := range []string{"/script.php", "/script.PHP", "/.env", "/host.toml", "/.git/config",
		"/link", "/../outside", "/%2e%2e/outside", "/sub/..%2f..%2foutside", "/sub/%2e%2e/%2e%2e/outside",
		"/..%5coutside", "/style.css/", "/style.css%00", "//etc/passwd", "/sub", "/sub/"} {
		if a := ask("GET", path); strings.Contains(a.Text, "secret") ||
			a.StatusCode == 200 && !strings.Contains(a.Text, "no page") {
			t.Errorf("%s: %s %q", path, a.Status, a.Text)
		}
	}
	if a := ask("GET", "/hello"); a.Text != "hello 1" {
		t.Errorf("what is no file: %q", a.Text)
	}
	if a := ask("POST", "/style.css", "Content-Length: 0"); a.StatusCode != 404 {
		t.Errorf("POST goes to the worker: %s", a.Status)
	}
	// Files go live with a reload at the latest, also behind a symlink.
	harness.Write(t, public, "style.css", "body { color: red }")
	h.Reload()
	if a := ask("GET", "/style.css", "If-None-Match: "+etag); a.StatusCode != 200 || a.Text != "body { color: red }" {
		t.Errorf("after the reload: %s %q", a.Status, a.Text)
	}
}

func TestAWorkerMayHaveTheHostSendAFile(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	big, _ := harness.Body(3 << 20)
	harness.Write(t, dir, "report.txt", big)
	outside := t.TempDir()
	harness.Write(t, outside, "secret.txt", "secret")
	os.Symlink(filepath.Join(outside, "secret.txt"), filepath.Join(dir, "link.txt"))
	h := harness.StartPHP(t, dir, "", "workers = 1", "")
	resp, err := http.Get(h.URL + "/file?name=report.txt")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(text) != big || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%s, %d bytes, %v", resp.Status, len(text), resp.Header)
	}
	c := h.Dial()
	c.Send("GET /file?name=report.txt HTTP/1.1\r\nHost: here\r\nRange: bytes=5-9\r\n\r\n")
	if a := c.Answer("GET"); a.StatusCode != 206 || a.Text != big[5:10] {
		t.Errorf("a range: %s %q", a.Status, a.Text)
	}
	for _, name := range []string{"link.txt", "../../../../../../etc/passwd", "missing.txt"} {
		if code, text := h.Get("/file?name=" + name); code < 500 || strings.Contains(text, "secret") ||
			strings.Contains(text, "root:") {
			t.Errorf("%s: %d %q", name, code, text)
		}
	}
}

func TestTLSSpeaksHTTP2AndReadsItsFilesAgainAtAReload(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	harness.Certificate(t, dir, 1)
	addr := harness.FreeAddress(t)
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\ntls = { certificate = \"cert.pem\", "+
		"key = \"key.pem\" }\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n", addr))
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	get := func(protocols ...string) (serial int64, version, text string) {
		t.Helper()
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: protocols,
			ServerName: "here"}, ForceAttemptHTTP2: len(protocols) == 0, DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Get("https://" + addr + "/echo")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), resp.Proto, string(body)
	}
	if serial, version, text := get(); serial != 1 || version != "HTTP/2.0" ||
		!strings.Contains(text, `"scheme":"https"`) || !strings.Contains(text, `"h2"`) ||
		!strings.Contains(text, "TLS 1.3") {
		t.Errorf("%d %s %s", serial, version, text)
	}
	if _, version, text := get("http/1.1"); version != "HTTP/1.1" || !strings.Contains(text, `"scheme":"https"`) {
		t.Errorf("%s %s", version, text)
	}
	harness.Certificate(t, dir, 2)
	h.Reload()
	if serial, _, _ := get(); serial != 2 {
		t.Errorf("after the reload the certificate is still number %d", serial)
	}
	harness.Write(t, dir, "cert.pem", "no certificate")
	if out, code := h.Run("reload"); code != 6 || !strings.Contains(out, "cert.pem") {
		t.Errorf("a broken certificate: exit %d\n%s", code, out)
	}
	if serial, _, _ := get(); serial != 2 {
		t.Errorf("a broken certificate took over: %d", serial)
	}
	// Plain HTTP to the TLS port is told so.
	c := h.Dial()
	c.Send("GET / HTTP/1.1\r\nHost: here\r\n\r\n")
	if a, err := c.Try("GET"); err == nil && a.StatusCode != 400 {
		t.Errorf("plain HTTP: %s", a.Status)
	}
}

func TestAUnixSocketIsAListenerToo(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	short, err := os.MkdirTemp("", "u")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	socket := filepath.Join(short, "http.sock")
	addr := harness.FreeAddress(t)
	h := harness.StartWith(t, addr, "-n", "1", "-l", addr, "-l", "unix:"+socket, dir)
	ask := func() (string, error) {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		c := harness.NewClient(t, conn)
		return c.Ask("/echo")
	}
	if text, err := ask(); err != nil || !strings.Contains(text, `"remote":""`) {
		t.Errorf("%s %v", text, err)
	}
	h.Kill(syscall.SIGKILL) // and the socket file stays
	h.AwaitExit(5 * time.Second)
	h = harness.StartWith(t, addr, "-n", "1", "-l", addr, "-l", "unix:"+socket, dir)
	if text, err := ask(); err != nil || !strings.Contains(text, `"remote":""`) {
		t.Errorf("over a dead host's socket: %s %v", text, err)
	}
	h.Stop()
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket file outlives the host")
	}
}

func TestSeveralPoolsAndListeners(t *testing.T) {
	t.Parallel()
	php, golang := harness.Pages(t, "php"), harness.GoSite(t, "")
	program, err := harness.Build("./host/internal/e2e/testdata/pages-go")
	if err != nil {
		t.Fatal(err)
	}
	first, second := harness.FreeAddress(t), harness.FreeAddress(t)
	harness.Write(t, php, "host.toml", fmt.Sprintf(`
[[listen]]
address = %q
pool = "php"
[[listen]]
address = %q
pool = "go"
[pool.php]
worker = "worker.php"
workers = 1
env = { GREETING = "${NOT_SET_ANYWHERE:-by default} $$" }
[pool.go]
command = [%q]
directory = %q
workers = 1
`, first, second, program, golang))
	h := harness.StartWith(t, first, "-c", filepath.Join(php, "host.toml"))
	if _, text := h.Get("/hello"); text != "hello php" {
		t.Error(text)
	}
	other := &harness.Host{T: t, URL: "http://" + second}
	if _, text := other.Get("/hello"); text != "hello 1" {
		t.Error(text)
	}
	harness.Write(t, golang, "VERSION", "2")
	harness.DeployPages(t, php, "php 2")
	if out, code := h.Run("reload", "go"); code != 0 || strings.Contains(out, "php ") {
		t.Errorf("host reload go: exit %d\n%s", code, out)
	}
	if _, text := other.Get("/hello"); text != "hello 2" {
		t.Error(text)
	}
	if _, text := h.Get("/hello"); text != "hello php" {
		t.Errorf("the other pool was reloaded as well: %s", text)
	}
	if out, code := h.Run("reload", "og"); code == 0 || !strings.Contains(out, "php") || !strings.Contains(out, "go") {
		t.Errorf("host reload of a pool that does not exist: exit %d\n%s", code, out)
	}
	h.Reload()
	if _, text := h.Get("/hello"); text != "hello php 2" {
		t.Error(text)
	}
	environ := harness.ReadFile(t, fmt.Sprintf("/proc/%d/environ", h.PIDs()[0]))
	if !strings.Contains(environ, "GREETING=by default $\x00") {
		t.Errorf("the environment is %q", environ)
	}
}
