package cert

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
)

func TestTheCertificateForLocalhostIsMadeOnceAndAnewBeforeItEnds(t *testing.T) {
	folder := t.TempDir()
	certificate, key := LocalFiles(folder)
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(certificate)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if err := MakeLocal(folder, now); err != nil {
		t.Fatal(err)
	}
	first := read()
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{certificate, key} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", path, info, err)
		}
	}
	if err := MakeLocal(folder, now.AddDate(1, 0, 0)); err != nil || read() != first {
		t.Errorf("a year later it is another one: %v", err)
	}
	if err := MakeLocal(folder, now.AddDate(2, 0, -3)); err != nil || read() == first {
		t.Errorf("days before its end it is the same: %v", err)
	}
	second := read()
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MakeLocal(folder, now.AddDate(2, 0, -3)); err != nil || read() == second {
		t.Errorf("without its key it is the same: %v", err)
	}
}
