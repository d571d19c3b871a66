// cluster.go has [cluster].

package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// Cluster makes several hosts one: groups, users, counts and ids mean the connections of all of them. It takes an
// engine that all have: the embedded ones find each other by Routes, or [engine] url names one.
type Cluster struct {
	Name        string   `key:"name" absent:"off: this host is alone" means:"name of the cluster, the same on all hosts of it"`
	Host        string   `key:"host" absent:"the machine's name" means:"what this host is called in lists and commands, other than any other of the cluster"`
	Listen      string   `key:"listen" holds:"host:port" absent:"required without [engine] url" means:"address where the other hosts' engines reach this one's"`
	Routes      []string `key:"routes" holds:"array of host:port" absent:"required without [engine] url" means:"the listen of all hosts, this one's too: the same on each of them"`
	SecretFile  string   `key:"secret_file" holds:"path" absent:"secret is given instead" means:"file with what all hosts know and nobody else, of at least 16 characters"`
	Secret      string   `key:"secret" absent:"secret_file is given instead; needed beyond loopback" means:"the secret itself, such as \"${CLUSTER_SECRET}\""`
	Certificate string   `key:"certificate" holds:"path" absent:"off: what hosts say to each other is not encrypted" means:"PEM file with this host's certificate, for both ends of a connection with another one"`
	Key         string   `key:"key" holds:"path" absent:"required with certificate" means:"PEM file with its private key"`
	CA          string   `key:"ca" holds:"path" absent:"required with certificate" means:"PEM file of the authority that has signed those of all hosts"`

	Rights []string `key:"rights" holds:"array of \"status\", \"connections\", \"reload\" and \"upgrade\"" absent:"all but upgrade" means:"what commands with --cluster, given on another host, may do here"`

	secret string
	tls    *tls.Config
}

// clusterRights are the words that Cluster.Rights may have. The first ones are what it is by default.
var clusterRights = []string{"status", "connections", "reload", "upgrade"}

const impliedRights = 3

// On says whether this host is one of several.
func (c *Cluster) On() bool { return c.Name != "" }

// Password is what all hosts know; "" for nothing.
func (c *Cluster) Password() string { return c.secret }

// TLS is what hosts speak with each other; nil: cleartext.
func (c *Cluster) TLS() *tls.Config { return c.tls }

func (k *Cluster) check(c *Config, fail fail) {
	given := func(key string) bool { return c.has("cluster." + key) }
	if !k.On() {
		for _, f := range []string{"host", "listen", "routes", "secret", "secret_file", "certificate", "key", "ca",
			"rights"} {
			if given(f) {
				fail("cluster."+f, "has no effect without name: write name = \"NAME\", the same on all hosts")
			}
		}
		return
	}
	if !plainName.MatchString(k.Name) {
		fail("cluster.name", "expected at most 64 letters, digits, dots, hyphens and underscores, found %s",
			describe(k.Name))
	}
	if k.Host == "" {
		k.Host, _ = os.Hostname()
	}
	if !plainName.MatchString(k.Host) {
		fail("cluster.host", "expected at most 64 letters, digits, dots, hyphens and underscores, found %s",
			describe(k.Host))
	}
	if !given("rights") {
		k.Rights = clusterRights[:impliedRights]
	}
	for _, right := range k.Rights {
		if !slices.Contains(clusterRights, right) {
			fail("cluster.rights", "%q is no right: they are %s", right, strings.Join(clusterRights, ", "))
		}
	}
	if c.Engine.URL != "" {
		for _, f := range []string{"listen", "routes", "secret", "secret_file", "certificate", "key", "ca"} {
			if given(f) {
				fail("cluster."+f, "is for embedded engines, and [engine] url names one of all hosts: remove one of "+
					"them")
			}
		}
		return
	}
	k.checkRoutes(fail)
	k.checkTLS(c, given, fail)
	switch {
	case given("secret") && given("secret_file"):
		fail("cluster.secret", "both secret and secret_file are given: keep one of them")
	case given("secret_file"):
		k.SecretFile = absolute(c.Folder, k.SecretFile)
		var err error
		if k.secret, err = ReadToken(k.SecretFile); err != nil {
			fail("cluster.secret_file", "%v", err)
		}
	case given("secret"):
		if k.secret = k.Secret; len(k.Secret) < minToken || strings.ContainsAny(k.Secret, " \t\r\n") {
			fail("cluster.secret", "expected at least %d characters without spaces (openssl rand -hex 24 makes some)",
				minToken)
		}
	case !k.private():
		fail("cluster", "has no secret, so whoever reaches %s could read and send everything: write secret_file = "+
			"\"FILE\", with the same on each host (openssl rand -hex 24 > FILE)", k.Listen)
	}
}

func (k *Cluster) checkRoutes(fail fail) {
	const remedy = "write listen = \"10.0.0.7:6222\", and routes = [\"10.0.0.7:6222\", \"10.0.0.8:6222\", " +
		"\"10.0.0.9:6222\"] on each host, or name an engine of all hosts with [engine] url"
	if k.Listen == "" || len(k.Routes) == 0 {
		fail("cluster", "how do the hosts find each other? "+remedy)
		return
	}
	own, err := parseAddress(k.Listen, "")
	if err != nil || strings.Contains(own, "/") {
		fail("cluster.listen", "expected host:port, found %q", k.Listen)
		return
	}
	anywhere := false
	if host, _, err := net.SplitHostPort(k.Listen); err == nil {
		a, err := netip.ParseAddr(host)
		anywhere = host == "" || err == nil && a.IsUnspecified()
	}
	seen := map[string]bool{}
	for _, each := range k.Routes {
		if host, port, err := net.SplitHostPort(each); err != nil || host == "" || !isPort(port) {
			fail("cluster.routes", "expected host:port for each host, found %q", each)
		} else if seen[each] {
			fail("cluster.routes", "%q is there twice", each)
		}
		seen[each] = true
	}
	if !seen[k.Listen] && !anywhere {
		fail("cluster.routes", "%q is not among them: list all hosts, this one too, so that each knows how many "+
			"there "+
			"are", k.Listen)
	} else if len(k.Routes) < 2 {
		fail("cluster.routes", "a single host is no cluster: list all of them, or remove [cluster]")
	}
}

func (k *Cluster) checkTLS(c *Config, given func(string) bool, fail fail) {
	if !given("certificate") && !given("key") && !given("ca") {
		return
	}
	for _, f := range []struct {
		key, what string
		path      *string
	}{{"certificate", "certificate", &k.Certificate}, {"key", "private key", &k.Key}, {"ca", "authorities", &k.CA}} {
		if *f.path == "" {
			fail("cluster", "the %s is missing: certificate, key and ca go together", f.what)
			return
		}
		if !c.readable(f.path, "cluster."+f.key, f.what, fail) {
			return
		}
	}
	pair, err := tls.LoadX509KeyPair(k.Certificate, k.Key)
	if err != nil {
		fail("cluster.certificate", "%s and %s are not a PEM certificate and its key: %v", k.Certificate, k.Key, err)
		return
	}
	pem, err := os.ReadFile(k.CA)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		fail("cluster.ca", "%s has no certificate: name a PEM file with that of the authority", k.CA)
		return
	}
	k.tls = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ClientCAs: roots,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
}

// private says whether nobody but this machine reaches the engine's address.
func (k *Cluster) private() bool {
	host, _, err := net.SplitHostPort(k.Listen)
	a, addrErr := netip.ParseAddr(host)
	return err != nil || host == "localhost" || addrErr == nil && a.IsLoopback()
}

// warnings are for what works, and less well than it could.
func (k *Cluster) warnings(c *Config) (found []struct{ key, text string }) {
	if !k.On() || c.Engine.URL != "" {
		return nil
	}
	warn := func(key, text string) { found = append(found, struct{ key, text string }{key, text}) }
	if n := len(k.Routes); n == 2 {
		warn("cluster.routes", "two hosts keep no quorum: when one is away, nothing can be kept (tasks, stores, "+
			"locks, histories) until it is back; messages to groups go on. Use three, or five")
	} else if n > 2 && n%2 == 0 {
		warn("cluster.routes", fmt.Sprintf("of %d hosts %d may be away, no more than of %d: use an odd number", n,
			(n-1)/2, n-1))
	}
	if k.tls == nil && !k.private() {
		warn("cluster.listen", "what hosts say to each other, the secret too, is not encrypted: name "+
			"certificate, key "+
			"and ca, or keep it in a private network")
	}
	if info, err := os.Stat(k.SecretFile); err == nil && k.SecretFile != "" && !privateMode(info) {
		warn("cluster.secret_file", fmt.Sprintf("%s can be read by other users (mode %04o), such as those of "+
			"workers: "+
			"chmod 600 it", k.SecretFile, info.Mode().Perm()))
	}
	return found
}
