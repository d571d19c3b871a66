package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certify writes a certificate that ends then, and its key.
func certify(t *testing.T, dir string, end time.Time) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"one.test"},
		NotBefore: end.AddDate(0, -3, 0), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der},
		key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

func TestAnExpiredCertificateIsWarnedOfByEveryCommandThatPutsItLive(t *testing.T) {
	dir := shortDir(t)
	certificate, key := certify(t, dir, time.Now().AddDate(0, 2, 0))
	file := filepath.Join(dir, "host.toml")
	s := serveFile(t, dir, fmt.Sprintf("[admin]\nlisten = \"127.0.0.1:0\"\n[[listen]]\naddress = "+
		"\"127.0.0.1:0\"\ntls = { certificate = %q, key = %q }\n", certificate, key))
	admin := s.await("admin listener")["address"].(string)
	s.await("ready")
	if out, status := s.run("reload"); status != 0 || strings.Contains(out, "warning") {
		t.Fatalf("of a good one: %d %s", status, out)
	}
	if _, text := get(t, "http://"+admin+"/metrics"); !strings.Contains(text,
		"workerhost_certificate_end_timestamp_seconds{listener=") {
		t.Error("no metric has its date")
	}

	end := time.Now().AddDate(0, 0, -3)
	certify(t, dir, end)
	warning := fmt.Sprintf("%s:5: the certificate %s of listener 127.0.0.1:0 expired on %s, and clients refuse it: "+
		"renew it, then `host reload`", file, certificate, end.UTC().Format(time.DateOnly))
	for _, args := range [][]string{{"reload", "--dry-run"}, {"reload"}} {
		if out, status := s.run(args...); status != 0 || !strings.Contains(out, "warning: "+warning) {
			t.Errorf("host %s: %d %s", args, status, out)
		}
	}
	s.await(warning)
	if _, text := get(t, "http://"+admin+"/metrics"); !strings.Contains(text,
		fmt.Sprintf("} %v\n", float64(end.Unix()))) {
		t.Error("the metric has another date")
	}
	check := program("check", "-c", file)
	if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), "warning: "+warning) {
		t.Errorf("host check: %v %s", err, out)
	}
	s.run("stop")
	s.ended()
	next := &serving{t: t, command: program("serve", "-c", file, "--control", s.control, "--log-format", "json")}
	next.begin()
	next.await(warning)
}

func TestServeWithTLSKeepsItsCertificateForLocalhost(t *testing.T) {
	dir := shortDir(t)
	state := filepath.Join(dir, "state")
	t.Setenv("STATE_DIRECTORY", state)
	worker := []string{"--tls", "-l", "127.0.0.1:0", "--", os.Args[0], "worker", filepath.Join(dir, "poison")}
	if out, err := program(append([]string{"check"}, worker...)...).CombinedOutput(); err != nil ||
		!strings.Contains(string(out), "TLS with a certificate for localhost") {
		t.Errorf("host check: %v %s", err, out)
	}
	if _, err := os.Lstat(state); !os.IsNotExist(err) {
		t.Errorf("host check leaves %s: %v", state, err)
	}
	var roots *x509.CertPool
	for range 2 {
		s := &serving{t: t, control: filepath.Join(dir, "c.sock")}
		s.command = program(append([]string{"serve", "--control", s.control, "--log-format", "json", "-n", "1"},
			worker...)...)
		s.begin()
		_, port, _ := net.SplitHostPort(s.await("listening")["address"].(string))
		if roots == nil {
			text, err := os.ReadFile(filepath.Join(state, "localhost", "localhost.pem"))
			if err != nil {
				t.Fatal(err)
			}
			roots = x509.NewCertPool()
			roots.AppendCertsFromPEM(text)
		}
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		for _, name := range []string{"localhost", "127.0.0.1"} {
			resp, err := (&http.Client{Transport: transport}).Get("https://" + net.JoinHostPort(name, port))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		transport.CloseIdleConnections()
		s.run("stop")
		s.ended()
	}
}
