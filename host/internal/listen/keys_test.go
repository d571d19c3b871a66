package listen

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
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

// authority signs clients' certificates.
type authority struct {
	t    *testing.T
	pair tls.Certificate
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t, file: filepath.Join(t.TempDir(), "ca.pem")}
	a.pair = a.sign(name, true)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.pair.Certificate[0]})
	if err := os.WriteFile(a.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// sign makes a certificate for name; an authority's is its own.
func (a *authority) sign(name string, itself bool) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(42), Subject: pkix.Name{CommonName: name}, IsCA: itself,
		BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	parent, signer := c, any(key)
	if !itself {
		parent, signer = a.pair.Leaf, a.pair.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestEachNameIsShownItsOwnCertificate(t *testing.T) {
	dir := t.TempDir()
	var all TLS
	for _, name := range []string{"one.test", "two.test", "*.two.test", "three.test"} {
		files := TLSFiles{filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")}
		certify(t, files, name)
		all.Files = append(all.Files, files)
	}
	h := start(t, hello, func(o *Options) { o.TLS = &all })
	shown := func(name string) string {
		c, err := tls.Dial("tcp", h.address, &tls.Config{InsecureSkipVerify: true, ServerName: name})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].DNSNames[0]
	}
	for name, want := range map[string]string{"one.test": "one.test", "two.test": "two.test", "TWO.test": "two.test",
		"a.two.test": "*.two.test", "a.b.two.test": "one.test", "three.test": "three.test", "four.test": "one.test",
		"": "one.test"} {
		if got := shown(name); got != want {
			t.Errorf("%q is shown %s, expected %s", name, got, want)
		}
	}
	certify(t, all.Files[3], "four.test")
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := shown("four.test"); got != "four.test" {
		t.Errorf("after a reload: %s", got)
	}
}

// told answers with what a worker is told of the client.
func told(c *call) {
	client := &protocol.ClientCertificate{}
	if c.request.TLS != nil && c.request.TLS.Client != nil {
		client = c.request.TLS.Client
	}
	c.respond(protocol.FlagEnd|protocol.FlagDone, 200, nil,
		fmt.Sprintf("%q %q %q %v", client.Subject, client.Issuer, client.Serial, len(client.DER) > 0))
}

func TestWorkersLearnWhoTheClientIsByItsCertificate(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	h := start(t, told, withTLS(t), func(o *Options) { o.TLS.ClientCA = ours.file })
	for _, require := range []bool{false, true} {
		by := *h.options.TLS
		by.Require = require
		p, err := h.Prepare(Terms{Terms: web.Terms{Backend: h.backend, Limits: web.DefaultLimits()}, TLS: &by,
			HTTP3: true})
		if err != nil {
			t.Fatal(err)
		}
		<-p.Apply()
		for protocol, client := range h.clientsFor() {
			for name, c := range map[string]struct {
				shown []tls.Certificate
				want  string // "" is refused
			}{
				"ours":   {[]tls.Certificate{ours.sign("ada", false)}, `"CN=ada" "CN=ours" "2A" true`},
				"theirs": {[]tls.Certificate{theirs.sign("eve", false)}, ""},
				"none":   {nil, map[bool]string{false: `"" "" "" false`}[require]},
			} {
				own := showing(t, client, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &append(c.shown, tls.Certificate{})[0], nil // whatever authorities the listener names
				})
				for range 2 { // the second on the same connection
					resp, err := own.Get(h.url)
					if err != nil {
						if c.want != "" {
							t.Errorf("%s, required %v, %s: %v", protocol, require, name, err)
						}
						continue
					}
					body, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					if string(body) != c.want {
						t.Errorf("%s, required %v, %s: %s, expected %q", protocol, require, name, body, c.want)
					}
				}
				own.CloseIdleConnections()
			}
		}
	}
}

// showing is a client of the same protocol, with connections of its own, in whose handshakes choose is asked.
func showing(
	t *testing.T, client *http.Client, choose func(*tls.CertificateRequestInfo) (*tls.Certificate, error),
) *http.Client {
	own := &http.Client{Timeout: 10 * time.Second}
	switch of := client.Transport.(type) {
	case *http3.Transport:
		config := of.TLSClientConfig.Clone()
		config.GetClientCertificate = choose
		transport := &http3.Transport{TLSClientConfig: config}
		t.Cleanup(func() { transport.Close() })
		own.Transport = transport
	case *http.Transport:
		transport := of.Clone()
		transport.TLSClientConfig.GetClientCertificate = choose
		own.Transport = transport
	}
	return own
}

func TestWhereCertificatesAreAskedForNoClientMakesOneUp(t *testing.T) {
	work := func(c *call) { c.whole(200, strings.Join(c.request.Headers, " ")) }
	made := []string{"Client-Cert", ":a:", "Client-Cert-Chain", ":b:", "X-Forwarded-Client-Cert", "c",
		"X-Forwarded-For", "1.2.3.4"}
	for _, asks := range []bool{false, true} {
		h := start(t, work, withTLS(t), func(o *Options) {
			if asks {
				o.TLS.ClientCA = newAuthority(t, "ours").file
			}
		})
		for protocol, client := range h.clientsFor() {
			h.client = client
			_, got := h.do("GET", "/", nil, made...)
			told := strings.Contains(got, "-Cert")
			if told == asks || !strings.Contains(got, "X-Forwarded-For 1.2.3.4") {
				t.Errorf("%s, asked for %v: %s", protocol, asks, got)
			}
		}
	}
}

// A session that is resumed brings its certificate along, so it must not outlive the trust in it.
func TestAnAuthorityThatAReloadTakesAwayIsTrustedNoMore(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	h := start(t, told, withTLS(t), func(o *Options) { o.TLS.ClientCA, o.TLS.Require = ours.file, true })
	c := &tls.Config{InsecureSkipVerify: true, ServerName: "one.test", Certificates: []tls.Certificate{ours.sign("ada",
		false)}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	ask := func() (answer string, resumed bool) {
		conn, err := tls.Dial("tcp", h.address, c)
		if err != nil {
			return err.Error(), false
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n")
		all, err := io.ReadAll(conn)
		if err != nil {
			return err.Error(), false
		}
		return string(all), conn.ConnectionState().DidResume
	}
	for i := range 2 {
		if got, resumed := ask(); !strings.Contains(got, "CN=ada") || resumed != (i == 1) {
			t.Fatalf("at first: %s, resumed %v", got, resumed)
		}
	}
	text, err := os.ReadFile(theirs.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ours.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if got, _ := ask(); strings.Contains(got, "200 OK") {
		t.Errorf("after the reload: %s", got)
	}
	if err := os.WriteFile(ours.file, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(); err == nil || !strings.Contains(err.Error(), ours.file) {
		t.Errorf("garbage: %v", err)
	}
}
