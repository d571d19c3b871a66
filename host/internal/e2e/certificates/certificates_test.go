// Package certificates tests a host that gets its certificates from an authority that others have written.
package certificates

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/acme/acmetest"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const worker = `Worker::create()->onRequest(fn (Request $r): Response => $r->path === '/certificate'
    ? new Response($r->query['domain'] === 'asked.example.test' ? 204 : 403)
    : Response::text($r->scheme . ' ' . $r->host))->run();`

// eventually waits for something that nobody tells of.
func eventually(t *testing.T, what string, is func() (ok bool, seen string)) {
	t.Helper()
	seen := ""
	for range 3000 {
		var ok bool
		if ok, seen = is(); ok {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never %s:\n%s", what, seen)
}

func TestAHostGetsCertificatesForTheNamesOfItsRoutes(t *testing.T) {
	for _, lane := range []bool{true, false}[:map[bool]int{false: 1, true: 2}[harness.Long]] {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) { getCertificates(t, lane) })
	}
}

func getCertificates(t *testing.T, lane bool) {
	names := acmetest.StartNames(t)
	plain, secure, admin := harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t)
	authority := acmetest.NewAuthority(t, names.Address, plain, secure, acmetest.Options{})
	authority.Start()
	names.Hide("two.example.test", true)
	dir := harness.PHPWorker(t, worker)
	// http-01 alone for the first name, since a redirect must not get in its way; the second one comes by a reload
	file := func(challenges, hosts, more string) {
		harness.Write(t, dir, "host.toml", fmt.Sprintf(`
state = "state"
[admin]
listen = %q
[http]
lane = %v
[acme]
agree = true
directory = %q
ca = %q
challenges = [%s]
%s
[[listen]]
address = %q
tls = "auto"
[[listen]]
address = %q
[[route]]
listen = %q
redirect = "https://{host}{target}"
[[route]]
listen = %q
host = [%s]
pool = "web"
[pool.web]
worker = "worker.php"
workers = 1
`, admin, lane, authority.Directory, authority.CA, challenges, more, secure, plain, plain, secure, hosts))
	}
	file(`"http-01"`, `"one.example.test"`, "")
	h := harness.LaunchAs(t, []string{harness.HostBinary}, plain, "-c", filepath.Join(dir, "host.toml"))
	h.Logs.Await(t, "got a certificate")
	ask := func(name string) (string, error) {
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: authority.Roots()}}
		defer transport.CloseIdleConnections()
		r, err := http.NewRequest("GET", "https://"+secure, nil)
		harness.Must(t, err)
		r.Host, transport.TLSClientConfig.ServerName = name, name
		resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(r)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	eventually(t, "the first name", func() (bool, string) { // it is told a moment before it is used
		text, err := ask("one.example.test")
		return text == "https one.example.test", fmt.Sprint(text, err)
	})
	if out, _ := h.Run("status"); !strings.Contains(out, "one.example.test") || !strings.Contains(out, "until 2") {
		t.Errorf("host status: %s", out)
	}
	if _, err := os.Stat(filepath.Join(dir, "state", "certificates", "certificates")); err != nil {
		t.Error(err)
	}
	// the challenge's path is the application's, or a route's, while there is none
	line := plainGet(t, plain, "one.example.test", "/.well-known/acme-challenge/x")
	if !strings.Contains(line, "308") {
		t.Errorf("no challenge: %s", line)
	}

	held, err := tls.Dial("tcp", secure, &tls.Config{ServerName: "one.example.test", RootCAs: authority.Roots()})
	harness.Must(t, err)
	defer held.Close()
	file(`"tls-alpn-01"`, `"one.example.test", "two.example.test"`, `ask = "/certificate"`)
	h.Reload()
	readyz := func() string {
		resp, err := http.Get("http://" + admin + "/readyz")
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return fmt.Sprint(resp.StatusCode, " ", string(text))
	}
	eventually(t, "a problem of readyz", func() (bool, string) {
		text := readyz()
		return strings.HasPrefix(text, "200 ready\nno certificate for two.example.test: "), text
	})
	if out, _ := h.Run("status"); !strings.Contains(out, "none yet") {
		t.Errorf("host status: %s", out)
	}
	names.Hide("two.example.test", false)
	h.Reload()
	eventually(t, "the second name", func() (bool, string) {
		text, err := ask("two.example.test")
		return text == "https two.example.test", fmt.Sprint(text, err)
	})
	fmt.Fprint(held, "GET / HTTP/1.1\r\nHost: one.example.test\r\n\r\n")
	if line, err := bufio.NewReader(held).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Errorf("a connection from before the reloads: %q %v", line, err)
	}
	eventually(t, "ready without a problem", func() (bool, string) {
		text := readyz()
		return text == "200 ready\n", text
	})

	if text, err := ask("asked.example.test"); err != nil || text != "https asked.example.test" {
		t.Errorf("on demand: %q %v", text, err)
	}
	if _, err := ask("refused.example.test"); err == nil {
		t.Error("a name that the workers refuse has a certificate")
	}
	resp, err := http.Get("http://" + admin + "/metrics")
	harness.Must(t, err)
	defer resp.Body.Close()
	metrics, _ := io.ReadAll(resp.Body)
	if !strings.Contains(string(metrics), `workerhost_managed_certificate_end_timestamp_seconds{name="two.example.test"} `+
		"1.") {
		t.Error("no metric has its date")
	}
}

// plainGet is the first line of an answer without TLS.
func plainGet(t *testing.T, address, host, path string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	harness.Must(t, err)
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
	line, err := bufio.NewReader(c).ReadString('\n')
	harness.Must(t, err)
	return line
}
