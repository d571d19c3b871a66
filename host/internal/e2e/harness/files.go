// Files that tests write: workers, settings, certificates.

package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// PHPWorker writes a worker.php with the given code, which follows the SDK's autoload, and returns its folder.
func PHPWorker(t *testing.T, code string) string {
	t.Helper()
	dir := t.TempDir()
	WritePHP(t, dir, code)
	return dir
}

// WritePHP replaces the worker.php in dir, all at once.
func WritePHP(t *testing.T, dir, code string) {
	t.Helper()
	source := "<?php\nrequire " + fmt.Sprintf("%q", filepath.Join(Repository, "sdk-php/autoload.php")) + ";\n" +
		"use WorkerHost\\Worker;\nuse WorkerHost\\Http\\{Request, Response};\n" + code
	temporary := filepath.Join(dir, ".worker.php.new")
	if err := os.WriteFile(temporary, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(dir, "worker.php")); err != nil {
		t.Fatal(err)
	}
}

// Write puts a file in place, all at once.
func Write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// ReadFile returns what is in a file that must be there.
func ReadFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Certificate writes a self-made one and its key to dir.
func Certificate(t *testing.T, dir string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "here"}, DNSNames: []string{"here"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	Write(t, dir, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	Write(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}
