package listen

import (
	"bytes"
	"context"
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
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/workerhost/workerhost/protocol"
)

// certify writes a certificate for name and its key.
func certify(t testing.TB, files TLSFiles, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(files.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	os.WriteFile(files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600)
}

func withTLS(t testing.TB) func(*Options) {
	dir := t.TempDir()
	files := TLSFiles{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	certify(t, files, "one.test")
	return func(o *Options) { o.TLS, o.HTTP3 = &TLS{Files: []TLSFiles{files}}, true }
}

// clientsFor gives a client for each protocol that the listener speaks.
func (h *house) clientsFor() map[string]*http.Client {
	all := make(map[string]*http.Client)
	for _, name := range []string{"HTTP/1.1", "HTTP/2"} {
		p := new(http.Protocols)
		p.SetHTTP1(name == "HTTP/1.1")
		if h.options.TLS != nil {
			h.url = "https://" + h.address
			p.SetHTTP2(name == "HTTP/2")
		} else {
			p.SetUnencryptedHTTP2(name == "HTTP/2")
		}
		tr := &http.Transport{Protocols: p, DisableCompression: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "one.test"}}
		h.t.Cleanup(tr.CloseIdleConnections)
		all[name] = &http.Client{Transport: tr, Timeout: 20 * time.Second}
	}
	if h.options.HTTP3 {
		tr := &http3.Transport{DisableCompression: true, TLSClientConfig: h3TLS()}
		h.t.Cleanup(func() { tr.Close() })
		all["HTTP/3"] = &http.Client{Transport: tr, Timeout: 20 * time.Second}
	}
	return all
}

func TestEveryProtocolCarriesTheSame(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, whole := range []bool{false, true} {
			h := start(t, func(c *call) {
				r := c.request
				body := c.readAll()
				tls := protocol.TLS{}
				if r.TLS != nil {
					tls = *r.TLS
				}
				c.respond(0, 200, []string{"X-Facts",
					fmt.Sprint(r.Version, r.Scheme, r.Host == "one.test", tls.ServerName, tls.ALPN, len(body))}, "a")
				c.data([]byte("b"), false)
				c.data(body, true, "X-End", "1")
			}, func(o *Options) {
				if secure {
					withTLS(t)(o)
				}
			})
			h.backend.traits = protocol.Traits{WholeBody: whole, Spool: whole}
			for name, client := range h.clientsFor() {
				for _, size := range []int{0, 1, 300_000, 3 << 20} {
					req, _ := http.NewRequest("POST", h.url, bytes.NewReader(pattern(size)))
					req.Host = "one.test"
					resp, err := client.Do(req)
					if err != nil {
						t.Fatal(name, err)
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					version := map[string]string{"HTTP/1.1": "1.1", "HTTP/2": "2", "HTTP/3": "3"}[name]
					want := fmt.Sprint(version, "http", true, "", "", size)
					if secure {
						alpn := map[string]string{"HTTP/1.1": "", "HTTP/2": "h2", "HTTP/3": "h3"}[name]
						want = fmt.Sprint(version, "https", true, "one.test", alpn, size)
					}
					facts := resp.Header.Get("X-Facts")
					if name == "HTTP/1.1" {
						facts = strings.Replace(facts, "http/1.1", "", 1)
					}
					if facts != want || err != nil || digest(got) != digest(append([]byte("ab"), pattern(size)...)) ||
						resp.Trailer.Get("X-End") != "1" {
						t.Errorf("TLS %v, whole %v, %s, %d bytes: %q, expected %q; %v, %d bytes, %v", secure, whole,
							name, size, facts, want, err, len(got), resp.Trailer)
					}
				}
			}
		}
	}
}

func TestAnHTTP2StreamThatBreaksOffIsReset(t *testing.T) {
	h := start(t, func(c *call) {
		switch c.request.Target {
		case "/gone":
			<-c.gone
		case "/early":
			c.whole(200, "early")
		default:
			c.respond(0, 200, nil, "half")
			c.data([]byte("x"), false)
			c.fail(protocol.FailedDied)
		}
	})
	client := h.clientsFor()["HTTP/2"]
	resp, err := client.Get(h.url)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	} else {
		resp = &http.Response{StatusCode: 502}
	}
	if err == nil && resp.StatusCode != 502 {
		t.Error("it looks whole")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", h.url+"/gone", nil)
	if _, err := client.Do(req); err == nil {
		t.Error("no error")
	} // that the worker hears of it is seen by the end of the test
	r, w := io.Pipe()
	go w.Write(pattern(100_000))
	req, _ = http.NewRequest("POST", h.url+"/early", r)
	resp, err = client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(resp.Body); string(got) != "early" || err != nil {
		t.Errorf("an early answer: %q %v", got, err)
	}
	w.Close()
}

func TestAnHTTP2ClientThatTakesNothingIsCutOff(t *testing.T) {
	ended := make(chan struct{}, 3)
	base := tree(t, map[string]string{"big.bin": string(pattern(1 << 20))})
	h := start(t, func(c *call) {
		if c.request.Target == "/small" {
			c.whole(200, "small")
		} else {
			flood(c, 1<<20)
		}
		ended <- struct{}{}
	}, func(o *Options) { o.Limits.WriteTimeout, o.Public = 200*time.Millisecond, base })
	c := h.dial()
	// The preface; SETTINGS with an initial window of 0; three requests as literal header fields, without a Huffman
	// code.
	io.WriteString(c,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00")
	for i, path := range []string{"/small", "/flood", "/big.bin"} {
		block := "\x82\x86\x04" + string(rune(len(path))) + path + "\x01\x01a"
		io.WriteString(c, "\x00\x00"+string(rune(len(block)))+"\x01\x05\x00\x00\x00"+string(rune(2*i+1))+block)
	}
	resets := 0
	for resets < 3 {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			t.Fatalf("%d streams were reset: %v", resets, err)
		}
		if head[3] == 3 {
			resets++
		}
		io.CopyN(io.Discard, c, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
	}
	<-ended
	<-ended
}

func TestHTTPOverTLSIsReadAsStrictly(t *testing.T) {
	h := start(t, func(c *call) { t.Error("a worker got it") }, withTLS(t))
	for _, test := range hostile[:20] {
		c, err := tls.Dial("tcp", h.address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, test.request+smuggled)
		got, _ := io.ReadAll(c)
		if !strings.Contains(statusLine(string(got)), test.status) {
			t.Errorf("%s: %q", test.name, got)
		}
		c.Close()
	}
	if got := h.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.Contains(got, "HTTPS") {
		t.Errorf("plain HTTP: %q", got)
	}
}

func TestACertificateIsReplacedWithoutARestart(t *testing.T) {
	option := withTLS(t)
	h := start(t, hello, option)
	name := func() string {
		c, err := tls.Dial("tcp", h.address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	files := h.options.TLS.Files[0]
	certify(t, files, "two.test")
	if got := name(); got != "one.test" {
		t.Errorf("before: %s", got)
	}
	if err := h.ReloadTLS(); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "two.test" {
		t.Errorf("after: %s", got)
	}
	os.WriteFile(files.Certificate, []byte("garbage"), 0o600)
	if err := h.Reload(); err == nil || !strings.Contains(err.Error(), files.Certificate) {
		t.Errorf("garbage: %v", err)
	}
	if got := name(); got != "two.test" {
		t.Errorf("after garbage: %s", got)
	}
}

func TestAddressesThatCannotBeHadSayWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	os.WriteFile(dir+"/file", nil, 0o600)
	live, err := net.Listen("unix", dir+"/live")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	for address, want := range map[string]string{
		taken.Addr().String(): "another process", "8080": "host:port", "::1:80": "brackets",
		"192.0.2.1:80": "no such address", "unix:": "path",
		"unix:" + dir + "/file": "/file: a regular file stands there, and no socket",
		"unix:" + dir + "/live": "another process", "unix:" + dir + "/none/x": "create it",
		"unix:/" + strings.Repeat("x", 200): "107",
	} {
		l, err := bind(address)
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected a word of %q", address, err, want)
		}
	}
}

func TestAUnixSocketOfADeadHostIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	remote := "unset"
	h := start(t, func(c *call) {
		remote = c.request.Remote
		hello(c)
	}, func(o *Options) { o.Address = "unix:" + path })
	if h.Address() != "unix:"+path {
		t.Error(h.Address())
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if all, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(all), "Hello, World!") || remote != "" {
		t.Errorf("%q %v %q", all, err, remote)
	}
}

func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	l.Close()
	remote := ""
	h := start(t, func(c *call) { remote = c.request.Remote; hello(c) }, func(o *Options) { o.Address = "[::1]:0" })
	if _, body := h.get("/"); body != "Hello, World!" || !strings.HasPrefix(remote, "[::1]:") {
		t.Errorf("%q %q", body, remote)
	}
}

func TestAnIdleOrHalfSentRequestEnds(t *testing.T) {
	h := start(t, hello, func(o *Options) {
		o.Limits.HeaderTimeout, o.Limits.IdleTimeout = 200*time.Millisecond, 200*time.Millisecond
	})
	for _, sent := range []string{"", "GET / HTTP/1.1\r\nHost", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"} {
		c := h.dial()
		io.WriteString(c, sent)
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("%q: %v", sent, err)
		}
	}
}

func TestKeepAliveServesManyRequests(t *testing.T) {
	h := start(t, func(c *call) { c.whole(200, string(c.readAll())) })
	h.backend.traits.WholeBody = true
	c := h.dial()
	for i := range 3 {
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n%02d", i)
	}
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(c)
	if err != nil || strings.Count(string(all), "200 OK") != 4 || !strings.Contains(string(all), "\r\n\r\n02HTTP") {
		t.Errorf("%q %v", all, err)
	}
}
