// acme.go has [acme]: which certificates the host gets by itself, from whom, and how it proves whose the names are.

package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/privilege"
	"github.com/workerhost/workerhost/host/internal/route"
)

// ACME is about certificates of listeners with tls = "auto".
type ACME struct {
	Agree      bool   `key:"agree" live:"yes" default:"false" means:"that you agree to the terms of the certificate authority; without it no listener can have tls = \"auto\""`
	Email      string `key:"email" live:"yes" absent:"none" means:"where the authority reaches you"`
	Directory  string `key:"directory" live:"yes" holds:"URL" default:"https://acme-v02.api.letsencrypt.org/directory" means:"the authority's ACME directory"`
	CA         string `key:"ca" live:"yes" holds:"path" absent:"the system's" means:"PEM file of the authorities to trust when the directory is asked, for one of your own"`
	Profile    string `key:"profile" live:"yes" absent:"the authority's choice" means:"kind of certificate, as the directory names it: \"shortlived\", for example"`
	Names      Words  `key:"names" live:"yes" holds:"name or array" absent:"none" means:"names to have certificates for, beside those of routes"`
	Storage    string `key:"storage" live:"yes" holds:"path" absent:"certificates in the state folder" means:"folder of keys, certificates and the account; several hosts may share one, and get each certificate once"`
	Challenges Words  `key:"challenges" live:"yes" holds:"array of \"http-01\" and \"tls-alpn-01\"" absent:"those that listeners at :80 and :443 can answer; dns-01 with dns" means:"how the host proves that names are its own, where these ports lead to others of its listeners"`
	Ask        string `key:"ask" live:"yes" holds:"URL or path" absent:"off" means:"asked, with ?domain=NAME, for names that are none of the above, once a client wants them: with a status of 200 to 299 the host gets a certificate; a path is asked of ask_pool"`
	AskPool    string `key:"ask_pool" live:"yes" absent:"the only pool" means:"pool whose workers ask is for, where that is a path"`
	EAB        *EAB   `key:"eab" live:"yes" absent:"off"`
	DNS        *DNS   `key:"dns" live:"yes" absent:"off"`

	roots *x509.CertPool
}

// EAB binds the account to one that the authority knows already (RFC 8555 §7.3.4).
type EAB struct {
	ID      string `key:"id" absent:"required" means:"the account's key identifier, as the authority gave it"`
	KeyFile string `key:"key_file" holds:"path" absent:"required" means:"file with the account's key, in base64url, as the authority gave it"`

	key string
}

// DNS has names proved by records of their zones, as certificates for *.example.org need. Either Server or Command.
type DNS struct {
	Server    string        `key:"server" holds:"host:port" absent:"command is given instead" means:"name server that takes updates (RFC 2136), of the zones of all names"`
	Zone      string        `key:"zone" absent:"found by asking the server" means:"zone to put records in"`
	Key       string        `key:"key" absent:"off" means:"name of the TSIG key that updates are signed with"`
	KeyFile   string        `key:"key_file" holds:"path" absent:"off" means:"file with its secret, in base64"`
	Algorithm string        `key:"algorithm" default:"hmac-sha256" oneof:"hmac-sha1 hmac-sha224 hmac-sha256 hmac-sha384 hmac-sha512" means:"of the key"`
	Command   []string      `key:"command" absent:"server is given instead" means:"program and arguments, without a shell, to which is added: present or cleanup, the record's name and its TXT value; has two minutes"`
	User      string        `key:"user" absent:"the host's, but not root" means:"user that command runs as; a host that is root has to be told, be it \"root\""`
	Wait      time.Duration `key:"wait" default:"5s" min:"0" means:"time between a record's making and the authority's look, for secondary name servers"`

	identity *privilege.Identity
	secret   string
}

// Roots are the authorities of CA; nil is the system's.
func (a *ACME) Roots() *x509.CertPool { return a.roots }

// MAC is the account's key.
func (e *EAB) MAC() string { return e.key }

// Secret is that of the TSIG key.
func (d *DNS) Secret() string { return d.secret }

// Identity is whom User stands for; nil is the host's.
func (d *DNS) Identity() *privilege.Identity { return d.identity }

func (a *ACME) check(c *Config, fail fail) {
	if u, err := url.Parse(a.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		fail("acme.directory", "expected a URL such as \"https://acme.example.org/directory\", found %s",
			describe(a.Directory))
	}
	if strings.ContainsAny(a.Email, " ,<>") || a.Email != "" && !strings.Contains(a.Email, "@") {
		fail("acme.email", "expected an address such as \"admin@example.org\", found %s", describe(a.Email))
	}
	if a.CA != "" && c.readable(&a.CA, "acme.ca", "authorities", fail) {
		pem, err := os.ReadFile(a.CA)
		if a.roots = x509.NewCertPool(); err != nil || !a.roots.AppendCertsFromPEM(pem) {
			fail("acme.ca", "%s has no certificate: name a PEM file with those of the authorities", a.CA)
		}
	}
	for i, name := range a.Names {
		if a.Names[i] = strings.ToLower(strings.TrimSuffix(name, ".")); !canBeCertified(a.Names[i]) {
			fail(fmt.Sprintf("acme.names.%d", i), "expected a name such as \"example.org\" or \"*.example.org\", "+
				"found %s", describe(name))
		}
	}
	if a.Storage != "" {
		a.Storage = absolute(c.Folder, a.Storage)
	}
	for i, name := range a.Challenges {
		if name != "http-01" && name != "tls-alpn-01" {
			fail(fmt.Sprintf("acme.challenges.%d", i), "expected \"http-01\" or \"tls-alpn-01\", found %s: dns-01 is "+
				"what [acme.dns] does", describe(name))
		}
	}
	if len(a.Challenges) > 0 && a.DNS != nil {
		fail("acme.challenges", "has no effect beside dns, which proves all names: remove one of them")
	}
	a.checkAsk(c, fail)
	if e := a.EAB; e != nil {
		if e.ID == "" {
			fail("acme.eab.id", "is missing: write eab = { id = \"ID\", key_file = \"FILE\" }")
		}
		e.key = c.secretOf(&e.KeyFile, "acme.eab.key_file", "the account's key", fail)
	}
	if a.DNS != nil {
		a.DNS.check(c, fail)
	}
}

func (a *ACME) checkAsk(c *Config, fail fail) {
	u, err := url.Parse(a.Ask)
	isPath := strings.HasPrefix(a.Ask, "/")
	switch {
	case a.Ask == "" && c.has("acme.ask_pool"):
		fail("acme.ask_pool", "goes with ask: write, for example, ask = \"/certificate\"")
	case a.Ask == "":
	case err != nil || u.Fragment != "" || !isPath && (u.Scheme != "http" && u.Scheme != "https" || u.Host == ""):
		fail("acme.ask", "expected a URL, or a path such as \"/certificate\", found %s", describe(a.Ask))
	case !isPath && c.has("acme.ask_pool"):
		fail("acme.ask_pool", "has no effect on a URL: write its path alone to ask a pool")
	}
}

// secretOf reads a file with a secret.
func (c *Config) secretOf(path *string, at, what string, fail fail) string {
	if *path == "" {
		fail(at, "the file with %s is missing", what)
		return ""
	}
	if !c.readable(path, at, "file", fail) {
		return ""
	}
	text, err := readUsers(*path)
	secret := strings.TrimSpace(string(text))
	if err != nil || secret == "" || strings.ContainsAny(secret, " \t\r\n") {
		fail(at, "expected %s, and nothing else, in %s", what, *path) // which is not for showing
	}
	return secret
}

func (d *DNS) check(c *Config, fail fail) {
	const at = "acme.dns"
	switch {
	case (d.Server == "") == (len(d.Command) == 0):
		fail(at, "write one of server = \"host:53\" and command = [\"PROGRAM\"]")
		return
	case len(d.Command) > 0:
		for _, key := range []string{"zone", "key", "key_file", "algorithm"} {
			if c.has(at + "." + key) {
				fail(at+"."+key, "has no effect on a command: remove it")
			}
		}
		d.checkCommand(c, fail)
		return
	}
	if _, _, err := net.SplitHostPort(d.Server); err != nil {
		fail(at+".server", "expected host:port, found %s: write %q", describe(d.Server),
			net.JoinHostPort(d.Server, "53"))
	}
	if c.has(at + ".user") {
		fail(at+".user", "has no effect without a command: remove it")
	}
	if (d.Key == "") != (d.KeyFile == "") {
		fail(at, "key and key_file go together: write both, or none")
	} else if d.Key != "" {
		d.secret = c.secretOf(&d.KeyFile, at+".key_file", "the key's secret", fail)
	}
}

func (d *DNS) checkCommand(c *Config, fail fail) {
	const at = "acme.dns"
	program := &Pool{Command: d.Command, Directory: c.Folder}
	if err := program.checkCommand(); err != nil {
		fail(at+".command", "%v", err)
	}
	if strings.ContainsAny(d.Command[0], `/\`) {
		d.Command[0] = absolute(c.Folder, d.Command[0])
	}
	switch {
	case d.User == "" && isRoot():
		fail(at+".user", "the host is root, and the command would be: name a user, such as user = \"nobody\"")
	case d.User != "" && !privilege.Supported:
		fail(at+".user", "has no effect on this system: remove it")
	case d.User != "":
		var err error
		if d.identity, err = privilege.Find(d.User, ""); err != nil {
			fail(at+".user", "%v", err)
		}
	}
}

// canBeCertified says whether a name, in lower case, is a host's, an address, or one such as *.example.org.
func canBeCertified(name string) bool {
	suffix := strings.TrimPrefix(name, "*.")
	return net.ParseIP(name) != nil ||
		suffix != "" && !strings.ContainsAny(suffix, "*/ ,@:[]") && route.Name(suffix) == suffix
}

// link looks for what listeners with tls = "auto" need.
func (a *ACME) link(c *Config, fail fail) {
	i := slices.IndexFunc(c.Listen, func(l Listen) bool { return l.TLS != nil && l.TLS.Auto })
	if i < 0 {
		if c.has("acme") {
			c.Warnings = append(c.Warnings, c.ProblemAt("acme", "[acme] has no effect without tls = \"auto\" in a "+
				"[[listen]]: write it there, or remove the table"))
		}
		return
	}
	names, lacking := c.Certified()
	switch at := c.Listen[i].place("tls"); {
	case !a.Agree:
		fail(at, "certificates come from %s: look at its terms, and write agree = true into [acme]", a.Directory)
	case len(names) == 0 && a.Ask == "" && len(lacking) > 0:
		fail(at, "authorities give a certificate for %s only for a proof by DNS: write [acme.dns], or names without *",
			lacking[0])
	case len(names) == 0 && a.Ask == "":
		fail(at, "there is no name to have a certificate for: write routes with a host, or names or ask into [acme]")
	}
	if strings.HasPrefix(a.Ask, "/") {
		switch p := c.Pool(a.AskPool); {
		case a.AskPool == "" && len(c.Pools) == 1:
			a.AskPool = c.Pools[0].Name
		case p == nil:
			fail("acme.ask_pool", "which one? Write the name of a pool: there is no %q", a.AskPool)
		}
	}
	if a.DNS == nil && len(a.Challenges) == 0 && !c.answers(443, true) && !c.answers(80, false) {
		text := "no listener is at :443 or :80, where the certificate authority looks: it has to be led to one, and " +
			"challenges in [acme] says to which kind"
		c.Warnings = append(c.Warnings, c.ProblemAt("acme", text))
	}
	for _, name := range lacking {
		text := fmt.Sprintf("there will be no certificate for %s: authorities give those only for a proof by DNS, "+
			"which [acme.dns] has", name)
		c.Warnings = append(c.Warnings, c.ProblemAt("acme", text))
	}
}

// answers says whether a listener of HTTP is, or may be, at a port, with certificates of its own getting or without
// TLS.
func (c *Config) answers(port int, secure bool) bool {
	return slices.ContainsFunc(c.Listen, func(l Listen) bool {
		_, at, _ := net.SplitHostPort(l.Address)
		return l.Protocol == "http" && (at == fmt.Sprint(port) || l.Passed()) && (l.TLS != nil) == secure &&
			(!secure || l.TLS.Auto)
	})
}

// Certified are the names to get certificates for: of [acme], and of the routes of listeners with tls = "auto", unless
// a file there is for them. lacking are those for all names below another one, which only DNS can prove.
func (c *Config) Certified() (names, lacking []string) {
	add := func(name string) {
		if strings.HasPrefix(name, "*.") && c.ACME.DNS == nil {
			if c.ACME.Ask == "" && !slices.Contains(lacking, name) {
				lacking = append(lacking, name)
			}
		} else if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	auto := false
	for i := range c.Listen {
		l := &c.Listen[i]
		if l.TLS == nil || !l.TLS.Auto {
			continue
		}
		auto = true
		var files []*x509.Certificate
		for _, pair := range l.TLS.Pairs() {
			if read, err := tls.LoadX509KeyPair(pair.Certificate, pair.Key); err == nil {
				files = append(files, read.Leaf)
			}
		}
		routes, _, _ := c.RoutesOf(l)
		for _, r := range routes {
			for _, name := range r.Host {
				sample := strings.Replace(name, "*", "a", 1)
				covers := func(f *x509.Certificate) bool { return f.VerifyHostname(sample) == nil }
				if !slices.ContainsFunc(files, covers) {
					add(name)
				}
			}
		}
	}
	if !auto {
		return nil, nil
	}
	for _, name := range c.ACME.Names {
		add(name)
	}
	return names, lacking
}

// CertificateFolder is where certificates are kept, which it makes.
func (c *Config) CertificateFolder() (string, error) {
	if c.ACME.Storage == "" {
		return c.StateFolder("certificates")
	}
	if err := os.MkdirAll(c.ACME.Storage, 0o700); err != nil {
		return "", fmt.Errorf("can't keep certificates: %w: let this user write there, or name another folder with "+
			"[acme] storage", err)
	}
	return c.ACME.Storage, nil
}

// CertificatePlace is that folder, in words.
func (c *Config) CertificatePlace() string {
	return cmp.Or(c.ACME.Storage, filepath.Join(c.State, "certificates"))
}
