// Package acmetest has what tests of certificates need: an authority that speaks ACME, which is the one of Let's
// Encrypt for tests (pebble), and a name server that knows all names and takes updates.
package acmetest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/cert"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

const pebble = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.3"

// Authority is a certificate authority that looks for names at ports of this machine.
type Authority struct {
	Directory string         // its URL
	CA        string         // PEM file to trust there
	Trust     *x509.CertPool // the same

	t          *testing.T
	program    string
	config     string
	names      string
	management string
	client     *http.Client
	running    *exec.Cmd
}

// Options say what is not usual about an authority.
type Options struct {
	EAB  map[string]string // keys of accounts, by their identifiers, of which an account needs one
	OCSP string            // URL that its certificates name
}

// Brief is the profile of certificates that end after BriefTime.
const (
	Brief     = "brief"
	BriefTime = 6 * time.Second
)

// NewAuthority makes one that asks a name server, and looks for http-01 and tls-alpn-01 at these addresses. Start
// starts it, and the test ends it.
func NewAuthority(t *testing.T, names, http01, tlsALPN01 string, o Options) *Authority {
	t.Helper()
	dir := t.TempDir()
	program, err := build()
	harness.Must(t, err)
	harness.Must(t, cert.MakeLocal(dir, time.Now()))
	certificate, key := cert.LocalFiles(dir)
	address, management := harness.FreeAddress(t), harness.FreeAddress(t)
	a := &Authority{t: t, program: program, config: filepath.Join(dir, "pebble.json"), names: names,
		management: "https://" + management, Directory: "https://" + address + "/dir", CA: certificate,
		Trust: x509.NewCertPool()}
	pem, err := os.ReadFile(certificate)
	harness.Must(t, err)
	a.Trust.AppendCertsFromPEM(pem)
	a.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.Trust}}}
	t.Cleanup(a.client.CloseIdleConnections)
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": address, "managementListenAddress": management, "certificate": certificate, "privateKey": key,
		"httpPort": port(t, http01), "tlsPort": port(t, tlsALPN01), "keyAlgorithm": "ecdsa",
		"ocspResponderURL": o.OCSP, "externalAccountBindingRequired": o.EAB != nil, "externalAccountMACKeys": o.EAB,
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"validityPeriod": 90 * 24 * 3600},
			Brief: map[string]any{"validityPeriod": int(BriefTime.Seconds())}},
	}})
	harness.Must(t, err)
	harness.Must(t, os.WriteFile(a.config, text, 0o600))
	t.Cleanup(a.Stop)
	return a
}

// build compiles the authority, once for all tests.
func build() (string, error) {
	root, err := filepath.Abs(".")
	for ; err == nil; root = filepath.Dir(root) {
		if _, missing := os.Stat(filepath.Join(root, "go.mod")); missing == nil || root == filepath.Dir(root) {
			break
		}
	}
	folder := filepath.Join(root, ".cache", "e2e")
	program := filepath.Join(folder, "pebble-v2.10.3")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	own, err := os.MkdirTemp("", "pebble")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(own)
	install := exec.Command("go", "install", pebble)
	install.Dir = own // which is in no module
	install.Env = append(os.Environ(), "GOBIN="+own, "GOFLAGS=")
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not build: %w\n%s", pebble, err, out)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	return program, os.Rename(filepath.Join(own, "pebble"), program)
}

func port(t *testing.T, address string) int {
	_, text, err := net.SplitHostPort(address)
	harness.Must(t, err)
	n, err := strconv.Atoi(text)
	harness.Must(t, err)
	return n
}

// Start starts it, and returns when it answers. What it knew before is gone.
func (a *Authority) Start() {
	a.t.Helper()
	a.running = exec.Command(a.program, "-config", a.config, "-dnsserver", a.names)
	a.running.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	harness.Must(a.t, harness.Spawn(a.running))
	for range 500 {
		if resp, err := a.client.Get(a.Directory); err == nil {
			resp.Body.Close()
			return
		}
		time.Sleep(20 * time.Millisecond) // until it listens, of which it says nothing
	}
	a.t.Fatal("the authority does not answer")
}

// Stop ends it.
func (a *Authority) Stop() {
	if a.running != nil {
		a.running.Process.Kill()
		a.running.Wait()
		a.running = nil
	}
}

// Roots are what its certificates are verified by. It has to run.
func (a *Authority) Roots() *x509.CertPool {
	a.t.Helper()
	resp, err := a.client.Get(a.management + "/roots/0")
	harness.Must(a.t, err)
	defer resp.Body.Close()
	pem, err := io.ReadAll(resp.Body)
	harness.Must(a.t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}
