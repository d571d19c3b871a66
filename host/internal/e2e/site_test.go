// What a host.toml makes of a host: static files, files that a worker sends, TLS, unix sockets, several pools.

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStaticFilesComeBeforeTheWorkers(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	public := filepath.Join(dir, "public")
	os.MkdirAll(filepath.Join(public, ".git"), 0o755)
	os.MkdirAll(filepath.Join(public, "sub"), 0o755)
	big, _ := body(1 << 20)
	write(t, public, "style.css", "body {}")
	write(t, public, "big.bin", big)
	write(t, public, "script.php", "<?php secret")
	write(t, public, ".env", "secret")
	write(t, public, ".git/config", "secret")
	write(t, dir, "outside", "secret")
	os.Symlink("../outside", filepath.Join(public, "link"))
	h := startPHP(t, dir, "public = \"public\"", "workers = 1", "")

	resp, err := http.Get(h.url + "/style.css")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	etag, modified := resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	if string(text) != "body {}" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/css") || etag == "" || modified == "" {
		t.Errorf("%q %v", text, resp.Header)
	}
	ask := func(method, path string, header ...string) answer {
		t.Helper()
		c := h.dial()
		c.send(method + " " + path + " HTTP/1.1\r\nHost: here\r\n" + strings.Join(append(header, ""), "\r\n") + "\r\n")
		return c.answer(method)
	}
	if a := ask("GET", "/style.css", "If-None-Match: "+etag); a.StatusCode != 304 || a.text != "" {
		t.Errorf("If-None-Match: %s", a.Status)
	}
	if a := ask("GET", "/style.css", "If-Modified-Since: "+modified); a.StatusCode != 304 {
		t.Errorf("If-Modified-Since: %s", a.Status)
	}
	if a := ask("GET", "/big.bin", "Range: bytes=1000-1999"); a.StatusCode != 206 || a.text != big[1000:2000] {
		t.Errorf("Range: %s, %d bytes", a.Status, len(a.text))
	}
	if a := ask("GET", "/big.bin"); a.text != big {
		t.Errorf("all of it: %s, %d bytes", a.Status, len(a.text))
	}
	if a := ask("HEAD", "/big.bin"); a.StatusCode != 200 || a.ContentLength != 1<<20 {
		t.Errorf("HEAD: %s, %d", a.Status, a.ContentLength)
	}
	for _, path := range []string{"/script.php", "/script.PHP", "/.env", "/.git/config", "/link", "/../outside", "/%2e%2e/outside", "/sub/..%2f..%2foutside", "/sub/%2e%2e/%2e%2e/outside",
		"/..%5coutside", "/style.css/", "/style.css%00", "//etc/passwd", "/sub", "/sub/"} {
		if a := ask("GET", path); strings.Contains(a.text, "secret") || a.StatusCode == 200 && !strings.Contains(a.text, "no page") {
			t.Errorf("%s: %s %q", path, a.Status, a.text)
		}
	}
	if a := ask("GET", "/hello"); a.text != "hello 1" {
		t.Errorf("what is no file: %q", a.text)
	}
	if a := ask("POST", "/style.css", "Content-Length: 0"); a.StatusCode != 404 {
		t.Errorf("POST goes to the worker: %s", a.Status)
	}
	// Files go live with a reload at the latest, also behind a symlink.
	write(t, public, "style.css", "body { color: red }")
	h.reload()
	if a := ask("GET", "/style.css", "If-None-Match: "+etag); a.StatusCode != 200 || a.text != "body { color: red }" {
		t.Errorf("after the reload: %s %q", a.Status, a.text)
	}
}

func TestAWorkerMayHaveTheHostSendAFile(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	big, _ := body(3 << 20)
	write(t, dir, "report.txt", big)
	outside := t.TempDir()
	write(t, outside, "secret.txt", "secret")
	os.Symlink(filepath.Join(outside, "secret.txt"), filepath.Join(dir, "link.txt"))
	h := startPHP(t, dir, "", "workers = 1", "")
	resp, err := http.Get(h.url + "/file?name=report.txt")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(text) != big || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%s, %d bytes, %v", resp.Status, len(text), resp.Header)
	}
	c := h.dial()
	c.send("GET /file?name=report.txt HTTP/1.1\r\nHost: here\r\nRange: bytes=5-9\r\n\r\n")
	if a := c.answer("GET"); a.StatusCode != 206 || a.text != big[5:10] {
		t.Errorf("a range: %s %q", a.Status, a.text)
	}
	for _, name := range []string{"link.txt", "../../../../../../etc/passwd", "missing.txt"} {
		if code, text := h.get("/file?name=" + name); code < 500 || strings.Contains(text, "secret") || strings.Contains(text, "root:") {
			t.Errorf("%s: %d %q", name, code, text)
		}
	}
}

// certificate writes a self-made one and its key to dir.
func certificate(t *testing.T, dir string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "here"}, DNSNames: []string{"here"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

func TestTLSSpeaksHTTP2AndReadsItsFilesAgainAtAReload(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	certificate(t, dir, 1)
	addr := freeAddress(t)
	write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\ntls = { certificate = \"cert.pem\", key = \"key.pem\" }\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n", addr))
	h := startWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	get := func(protocols ...string) (serial int64, version, text string) {
		t.Helper()
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: protocols, ServerName: "here"}, ForceAttemptHTTP2: len(protocols) == 0, DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Get("https://" + addr + "/echo")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), resp.Proto, string(body)
	}
	if serial, version, text := get(); serial != 1 || version != "HTTP/2.0" || !strings.Contains(text, `"scheme":"https"`) || !strings.Contains(text, `"h2"`) || !strings.Contains(text, "TLS 1.3") {
		t.Errorf("%d %s %s", serial, version, text)
	}
	if _, version, text := get("http/1.1"); version != "HTTP/1.1" || !strings.Contains(text, `"scheme":"https"`) {
		t.Errorf("%s %s", version, text)
	}
	certificate(t, dir, 2)
	h.reload()
	if serial, _, _ := get(); serial != 2 {
		t.Errorf("after the reload the certificate is still number %d", serial)
	}
	write(t, dir, "cert.pem", "no certificate")
	if out, code := h.run("reload"); code != 1 || !strings.Contains(out, "cert.pem") {
		t.Errorf("a broken certificate: exit %d\n%s", code, out)
	}
	if serial, _, _ := get(); serial != 2 {
		t.Errorf("a broken certificate took over: %d", serial)
	}
	// Plain HTTP to the TLS port is told so.
	c := h.dial()
	c.send("GET / HTTP/1.1\r\nHost: here\r\n\r\n")
	if a, err := c.try("GET"); err == nil && a.StatusCode != 400 {
		t.Errorf("plain HTTP: %s", a.Status)
	}
}

func TestAUnixSocketIsAListenerToo(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	short, err := os.MkdirTemp("", "u")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	socket := filepath.Join(short, "http.sock")
	addr := freeAddress(t)
	h := startWith(t, addr, "-n", "1", "-l", addr, "-l", "unix:"+socket, dir)
	ask := func() (string, error) {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		c := &client{conn, t, newReader(conn)}
		return c.ask("/echo")
	}
	if text, err := ask(); err != nil || !strings.Contains(text, `"remote":""`) {
		t.Errorf("%s %v", text, err)
	}
	h.kill(syscall.SIGKILL) // and the socket file stays
	h.awaitExit(5 * time.Second)
	h = startWith(t, addr, "-n", "1", "-l", addr, "-l", "unix:"+socket, dir)
	if text, err := ask(); err != nil || !strings.Contains(text, `"remote":""`) {
		t.Errorf("over a dead host's socket: %s %v", text, err)
	}
	h.stop()
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket file outlives the host")
	}
}

func TestSeveralPoolsAndListeners(t *testing.T) {
	t.Parallel()
	php, golang := pages(t, "php"), goSite(t, "")
	program, err := goPages()
	if err != nil {
		t.Fatal(err)
	}
	first, second := freeAddress(t), freeAddress(t)
	write(t, php, "host.toml", fmt.Sprintf(`
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
	h := startWith(t, first, "-c", filepath.Join(php, "host.toml"))
	if _, text := h.get("/hello"); text != "hello php" {
		t.Error(text)
	}
	other := &host{t: t, url: "http://" + second}
	if _, text := other.get("/hello"); text != "hello 1" {
		t.Error(text)
	}
	write(t, golang, "VERSION", "2")
	deployPages(t, php, "php 2")
	if out, code := h.run("reload", "go"); code != 0 || strings.Contains(out, "php ") {
		t.Errorf("host reload go: exit %d\n%s", code, out)
	}
	if _, text := other.get("/hello"); text != "hello 2" {
		t.Error(text)
	}
	if _, text := h.get("/hello"); text != "hello php" {
		t.Errorf("the other pool was reloaded as well: %s", text)
	}
	if out, code := h.run("reload", "og"); code == 0 || !strings.Contains(out, "php") || !strings.Contains(out, "go") {
		t.Errorf("host reload of a pool that does not exist: exit %d\n%s", code, out)
	}
	h.reload()
	if _, text := h.get("/hello"); text != "hello php 2" {
		t.Error(text)
	}
	environ := readFile(t, fmt.Sprintf("/proc/%d/environ", h.pids()[0]))
	if !strings.Contains(environ, "GREETING=by default $\x00") {
		t.Errorf("the environment is %q", environ)
	}
}
