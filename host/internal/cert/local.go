// local.go has the certificate of host serve --tls.

package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// LocalFiles are where [MakeLocal] puts a certificate for localhost and its key, in a folder.
func LocalFiles(folder string) (certificate, key string) {
	return filepath.Join(folder, "localhost.pem"), filepath.Join(folder, "localhost.key")
}

// MakeLocal has a certificate for localhost, 127.0.0.1 and ::1 in a folder that exists, signed by itself, for
// development. One that is there stays for as long as it is good, so that a browser asks about it once.
func MakeLocal(folder string, now time.Time) error {
	certificate, key := LocalFiles(folder)
	if pair, err := tls.LoadX509KeyPair(certificate, key); err == nil {
		if problem, _ := Problem(&pair, now); problem == "" {
			return nil
		}
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	// one of more than 825 days is refused by Apple's systems
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "localhost", Organization: []string{"workerhost, for " +
			"development"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(2, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := write(key, "PRIVATE KEY", secret); err != nil {
		return err
	}
	return write(certificate, "CERTIFICATE", der)
}

// write puts a PEM file in the place of one that may be there.
func write(path, kind string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	next := path + ".new"
	err := os.WriteFile(next, text, 0o600)
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return fmt.Errorf("can't keep the certificate for localhost: %w", err)
	}
	return nil
}
