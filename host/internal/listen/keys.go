// Keys: what the files of TLS have, read at a reload.

package listen

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
)

// TLS is what the handshakes of a listener go by.
type TLS struct {
	Files    []TLSFiles // one at least, if Source is nil
	Source   Source     // of certificates for other names; nil: there are none
	ClientCA string     // PEM file of the authorities that sign clients' certificates; "": clients are not asked
	Require  bool       // with ClientCA, a client without a certificate is refused
}

// Source has certificates that are in no file.
type Source interface {
	// GetCertificate is that of [tls.Config]. It may take as long as the handshake does. If a handshake offers
	// acme-tls/1 alone, it is for the certificate of a challenge (RFC 8737).
	GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
}

// challengeProtocol is what an authority asks for that looks whether a name is ours (RFC 8737).
const challengeProtocol = "acme-tls/1"

// TLSFiles names the PEM files of a certificate.
type TLSFiles struct {
	Certificate string // the certificate, then its chain
	Key         string
}

// keys never change.
type keys struct {
	pairs   []*tls.Certificate            // in the order of the files
	named   map[string][]*tls.Certificate // by the names that they are for, "*.example.org" included
	source  Source
	clients *x509.CertPool // nil: clients are not asked who they are
	require bool
}

// readKeys reads the files. The error names the one that is wrong.
func readKeys(by *TLS) (*keys, error) {
	k := &keys{named: map[string][]*tls.Certificate{}, source: by.Source, require: by.Require}
	for _, files := range by.Files {
		pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", files.Certificate, files.Key, err)
		}
		k.pairs = append(k.pairs, &pair)
		for _, name := range pair.Leaf.DNSNames {
			name = strings.ToLower(name)
			k.named[name] = append(k.named[name], &pair)
		}
	}
	if by.ClientCA != "" {
		pem, err := os.ReadFile(by.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("client_ca: %w", err)
		}
		if k.clients = x509.NewCertPool(); !k.clients.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("client_ca %s has no certificate", by.ClientCA)
		}
	}
	return k, nil
}

// choose gives the first certificate for the name that the client asks for, of a kind that it can verify. Who asks for
// no name, or for one that neither a file nor the source is for, gets the first of all.
func (k *keys) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	of := k.named[name]
	if _, parent, ok := strings.Cut(name, "."); ok && len(of) == 0 {
		of = k.named["*."+parent]
	}
	for _, pair := range of {
		if hello.SupportsCertificate(pair) == nil {
			return pair, nil
		}
	}
	if len(of) > 0 {
		return of[0], nil
	}
	if k.source != nil {
		if pair, err := k.source.GetCertificate(hello); err == nil || len(k.pairs) == 0 {
			return pair, err
		}
	}
	return k.pairs[0], nil
}
