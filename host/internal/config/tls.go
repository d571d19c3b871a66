// tls.go has what clients of a listener are shown, and what they have to show.

package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/cert"
)

// TLS names the PEM files of one listener.
type TLS struct {
	Auto        bool   `key:"auto" default:"false" means:"certificates for the names of routes and [acme], which the host gets and renews by itself; tls = \"auto\" is short for it. Files may go with it, for names of theirs"`
	Certificate Words  `key:"certificate" holds:"path or array" absent:"required without auto" means:"PEM file with the certificate, then its chain; of several, a client is shown that of the name it asks for, else the first; read again at a reload"`
	Key         Words  `key:"key" holds:"path or array" absent:"required without auto" means:"PEM file with the private key; as many as there are certificates, in their order"`
	ClientCA    string `key:"client_ca" holds:"path" absent:"off" means:"PEM file of the authorities whose certificates clients show; workers of http learn who it is; read again at a reload"`
	Require     bool   `key:"require" default:"true" means:"with client_ca, whether a client without a certificate is refused; one with a wrong certificate always is"`

	Local bool // for localhost, signed by itself, in State: serve --tls makes it
}

// KeyPair names a certificate's files.
type KeyPair struct{ Certificate, Key string }

// Pairs are the certificates, each with its key.
func (t *TLS) Pairs() (pairs []KeyPair) {
	for i, key := range t.Key[:min(len(t.Key), len(t.Certificate))] {
		pairs = append(pairs, KeyPair{t.Certificate[i], key})
	}
	return pairs
}

func (t *TLS) check(c *Config, at string, fail fail) {
	complete := true
	for _, file := range []struct {
		key, what string
		paths     Words
	}{{"certificate", "certificate", t.Certificate}, {"key", "private key", t.Key}} {
		place := at + "." + file.key
		if t.Auto && len(t.Certificate)+len(t.Key) == 0 {
			continue
		}
		if len(file.paths) == 0 || slices.Contains(file.paths, "") {
			fail(place, "the %s is missing: write tls = { certificate = \"FILE\", key = \"FILE\" }", file.what)
			complete = false
			continue
		}
		for i := range file.paths {
			complete = c.readable(&file.paths[i], place, file.what, fail) && complete
		}
	}
	if c.has(at+".require") && t.ClientCA == "" {
		fail(at+".require", "has no effect without client_ca: remove it, or name the authorities' file")
	}
	if t.ClientCA != "" && c.readable(&t.ClientCA, at+".client_ca", "authorities", fail) {
		if pem, err := os.ReadFile(t.ClientCA); err != nil || !x509.NewCertPool().AppendCertsFromPEM(pem) {
			fail(at+".client_ca", "%s has no certificate: name a PEM file with those of the authorities", t.ClientCA)
		}
	}
	if !complete {
		return
	}
	if len(t.Certificate) != len(t.Key) {
		fail(at+".key", "expected a key for each certificate, in their order, found %d for %d", len(t.Key),
			len(t.Certificate))
		return
	}
	for _, pair := range t.Pairs() {
		if _, err := tls.LoadX509KeyPair(pair.Certificate, pair.Key); err != nil {
			fail(at, "%s and %s are not a PEM certificate and its key: %v", pair.Certificate, pair.Key, err)
		}
	}
}

// addLocalTLS has the listeners of HTTP that have no TLS speak it, with a certificate for localhost.
func (c *Config) addLocalTLS() {
	certificate, key := cert.LocalFiles(filepath.Join(c.State, localTLS))
	for i := range c.Listen {
		if l := &c.Listen[i]; l.TLS == nil && l.Protocol == "http" && !strings.HasPrefix(l.Address, unixPrefix) {
			l.TLS = &TLS{Certificate: Words{certificate}, Key: Words{key}, Require: true, Local: true}
		}
	}
}

const localTLS = "localhost" // in State

// MakeLocalTLS makes the certificate that listeners of --tls name, unless it is there and good for a while yet.
func (c *Config) MakeLocalTLS(now time.Time) error {
	if !slices.ContainsFunc(c.Listen, func(l Listen) bool { return l.TLS != nil && l.TLS.Local }) {
		return nil
	}
	folder, err := c.StateFolder(localTLS)
	if err != nil {
		return err
	}
	return cert.MakeLocal(folder, now)
}

// readable makes the path of a file absolute, and says whether the file can be opened.
func (c *Config) readable(path *string, at, what string, fail fail) bool {
	*path = absolute(c.Folder, *path)
	f, err := os.Open(*path)
	if err != nil {
		fail(at, "can't read the %s: %v", what, unreadable(*path, err))
		return false
	}
	_ = f.Close() // it was opened to see that it can be
	return true
}

// WarningsAt are the Warnings, and what the dates of the certificates are a reason to warn of at that time. It reads
// the certificates' files.
func (c *Config) WarningsAt(now time.Time) Problems {
	all := slices.Clone(c.Warnings)
	for i := range c.Listen {
		l := &c.Listen[i]
		if l.TLS == nil {
			continue
		}
		for _, files := range l.TLS.Pairs() {
			pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
			if err != nil {
				continue // whoever needs it says so
			}
			if problem, _ := cert.Problem(&pair, now); problem != "" {
				text := fmt.Sprintf("the certificate %s of listener %s %s", files.Certificate, l.Address, problem)
				all = append(all, c.ProblemAt(l.place("tls.certificate"), text))
			}
		}
	}
	return all
}
