package acme_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/acme"
	"github.com/workerhost/workerhost/host/internal/acme/acmetest"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// edge is what an authority looks at: a manager with a listener for each kind of challenge.
type edge struct {
	t         *testing.T
	manager   *acme.Manager
	names     *acmetest.NameServer
	authority *acmetest.Authority
	tls       string
	settings  acme.Settings // that suit it
}

func newEdge(t *testing.T, o acmetest.Options) *edge {
	t.Helper()
	e := &edge{t: t, manager: acme.New(hclog.NewNullLogger()), names: acmetest.StartNames(t)}
	t.Cleanup(e.manager.Close)
	plain, secure := e.serve(e.manager)
	e.tls = secure
	e.authority = acmetest.NewAuthority(t, e.names.Address, plain, secure, o)
	folder := t.TempDir()
	e.settings = acme.Settings{
		Email: "a@example.test", Directory: e.authority.Directory, Roots: e.authority.Trust, HTTP: true, TLS: true,
		Host: "127.0.0.1", HTTPPort: number(t, plain), TLSPort: number(t, secure),
		Folder: func() (string, error) { return folder, nil },
	}
	return e
}

func number(t *testing.T, address string) int {
	_, text, err := net.SplitHostPort(address)
	harness.Must(t, err)
	n, err := strconv.Atoi(text)
	harness.Must(t, err)
	return n
}

// serve has a manager answer challenges and handshakes as listeners do.
func (e *edge) serve(m *acme.Manager) (plain, secure string) {
	in, err := net.Listen("tcp", harness.FreeAddress(e.t))
	harness.Must(e.t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer, ok := m.Challenge(r.Context(), r.Host, r.URL.Path); ok {
			io.WriteString(w, answer)
			return
		}
		http.NotFound(w, r)
	})}
	go server.Serve(in) // ends with Close
	e.t.Cleanup(func() { server.Close() })
	shake, err := net.Listen("tcp", harness.FreeAddress(e.t))
	harness.Must(e.t, err)
	e.t.Cleanup(func() { shake.Close() })
	config := &tls.Config{GetCertificate: m.GetCertificate, NextProtos: []string{"http/1.1", acme.ChallengeProtocol}}
	go func() { // ends with the listener
		for {
			c, err := shake.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				tls.Server(c, config).HandshakeContext(ctx)
			}()
		}
	}()
	return in.Addr().String(), shake.Addr().String()
}

// use puts settings into effect, and has certificates got.
func (e *edge) use(s acme.Settings) {
	e.t.Helper()
	harness.Must(e.t, e.manager.Use(s))
	e.manager.Manage()
}

// await waits until the status of all names is as it should be.
func await(t *testing.T, m *acme.Manager, what string, good func(acme.Certificate) bool) []acme.Certificate {
	t.Helper()
	for range 3000 {
		all := m.Status()
		if len(all) > 0 && !slices.ContainsFunc(all, func(c acme.Certificate) bool { return !good(c) }) {
			return all
		}
		time.Sleep(10 * time.Millisecond) // the authority says nothing of what it does
	}
	t.Fatalf("never %s: %+v", what, m.Status())
	return nil
}

func had(c acme.Certificate) bool { return !c.Until.IsZero() && c.Problem == "" }

// shown is the certificate that clients of a name are shown, and that the authority's roots verify.
func (e *edge) shown(address, name string) *x509.Certificate {
	e.t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, RootCAs: e.authority.Roots()})
	if err != nil {
		e.t.Fatalf("%s: %v", name, err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

func TestNothingRunsWithoutANameOrSomebodyToAsk(t *testing.T) {
	m := acme.New(hclog.NewNullLogger())
	harness.Must(t, m.Use(acme.Settings{Folder: func() (string, error) { return "", errors.New("it was asked for") }}))
	m.Manage()
	if _, ok := m.Challenge(context.Background(), "a.test", "/.well-known/acme-challenge/x"); ok || m.Status() != nil {
		t.Error("it answers")
	}
	if _, err := m.GetCertificate(&tls.ClientHelloInfo{ServerName: "a.test"}); err == nil {
		t.Error("it has a certificate")
	}
	m.Close()
}

func TestCertificatesOfTwoNamesAreHadByEitherChallenge(t *testing.T) {
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	e := newEdge(t, acmetest.Options{EAB: map[string]string{"kid-1": key}})
	e.authority.Start()
	for _, kind := range []string{"http-01", "tls-alpn-01"} {
		s := e.settings
		s.EABID, s.EABKey = "kid-1", key
		s.HTTP, s.TLS = kind == "http-01", kind == "tls-alpn-01"
		s.Names = []string{"one." + kind + ".example.test", "two." + kind + ".example.test"}
		e.use(s)
		await(t, e.manager, "had by "+kind, had)
		for _, name := range s.Names {
			if c := e.shown(e.tls, name); !slices.Equal(c.DNSNames, []string{name}) {
				t.Errorf("%s is shown %v", name, c.DNSNames)
			}
		}
	}
	if _, err := tls.Dial("tcp", e.tls, &tls.Config{ServerName: "other.test", InsecureSkipVerify: true}); err == nil {
		t.Error("a name that is nobody's has a certificate")
	}
	if _, err := tls.Dial("tcp", e.tls, &tls.Config{ServerName: "one.http-01.example.test",
		InsecureSkipVerify: true}); err == nil {
		t.Error("a name that the settings have no more has a certificate")
	}
}

func TestAnAuthorityThatWasAwayAndAChallengeThatFailedAreAProblemUntilTheyAreNot(t *testing.T) {
	e := newEdge(t, acmetest.Options{})
	s := e.settings
	s.Names = []string{"one.example.test"}
	e.use(s)
	c := await(t, e.manager, "a problem", func(c acme.Certificate) bool { return c.Problem != "" })[0]
	if !strings.Contains(c.Problem, "connection refused") || !c.Until.IsZero() {
		t.Errorf("without the authority: %+v", c)
	}
	e.authority.Start()
	e.names.Hide("one.example.test", true)
	e.use(s) // as a reload does
	c = await(t, e.manager, "another problem", func(c acme.Certificate) bool {
		return strings.Contains(c.Problem, "the authority says")
	})[0]
	if !strings.Contains(c.Problem, "one.example.test") {
		t.Errorf("of a name that is nowhere: %+v", c)
	}
	e.names.Hide("one.example.test", false)
	e.use(s)
	await(t, e.manager, "had", had)
	e.authority.Stop()
	e.use(s) // what is there is used without it
	if c := e.manager.Status()[0]; !had(c) {
		t.Errorf("after the authority has gone: %+v", c)
	}
	next := acme.New(hclog.NewNullLogger()) // a host that starts anew
	defer next.Close()
	harness.Must(t, next.Use(s))
	if c := next.Status()[0]; !had(c) {
		t.Errorf("after a restart: %+v", c)
	}
}

func TestACertificateIsRenewedBeforeItEnds(t *testing.T) {
	e := newEdge(t, acmetest.Options{})
	e.authority.Start()
	s := e.settings
	s.Names, s.Profile, s.Renewal = []string{"one.example.test"}, acmetest.Brief, 500*time.Millisecond
	e.use(s)
	first := await(t, e.manager, "had", had)[0].Until
	if left := time.Until(first); left > acmetest.BriefTime {
		t.Fatalf("the profile's certificates last %s", left)
	}
	await(t, e.manager, "renewed", func(c acme.Certificate) bool { return c.Until.After(first) })
	if time.Now().After(first) {
		t.Error("it was renewed after its end")
	}
	e.shown(e.tls, "one.example.test")
}

func TestNamesBelowANameAreProvedByDNS(t *testing.T) {
	e := newEdge(t, acmetest.Options{})
	e.authority.Start()
	for way, d := range map[string]*acme.DNS{
		"update": {Server: e.names.Address, Key: acmetest.Key, Secret: acmetest.Secret, Algorithm: "hmac-sha256"},
		"command": {Run: func(_ context.Context, act, name, value string) error {
			e.names.SetText(name, value, act == "present")
			return nil
		}},
	} {
		s := e.settings
		s.DNS, s.Names = d, []string{"*." + way + ".example.test", way + ".example.test"}
		e.use(s)
		await(t, e.manager, "had by "+way, had)
		e.shown(e.tls, "a."+way+".example.test")
		e.shown(e.tls, way+".example.test")
	}
	for range 500 {
		if there, gone := e.names.Texts(); there == 0 && gone == 4 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	there, gone := e.names.Texts()
	t.Errorf("%d records are left, and %d were removed", there, gone)
}

func TestANameServerThatRefusesIsNamed(t *testing.T) {
	e := newEdge(t, acmetest.Options{})
	e.authority.Start()
	s := e.settings
	s.DNS, s.Names = &acme.DNS{Server: e.names.Address}, []string{"*.example.test"}
	e.use(s)
	c := await(t, e.manager, "a problem", func(c acme.Certificate) bool { return c.Problem != "" })[0]
	if !strings.Contains(c.Problem, e.names.Address) || !strings.Contains(c.Problem, "REFUSED") {
		t.Errorf("%+v", c)
	}
}

func TestOnDemandACertificateIsHadForWhomSomebodySaysYes(t *testing.T) {
	e := newEdge(t, acmetest.Options{})
	e.authority.Start()
	var asked atomic.Int64
	s := e.settings
	s.Ask = func(_ context.Context, name string) error {
		asked.Add(1)
		if !strings.HasPrefix(name, "yes") {
			return errors.New("no")
		}
		return nil
	}
	e.use(s)
	var clients sync.WaitGroup
	for range 5 { // at once, of whom one is enough
		clients.Go(func() {
			c, err := tls.Dial("tcp", e.tls, &tls.Config{ServerName: "yes.example.test", InsecureSkipVerify: true})
			if err != nil {
				t.Errorf("yes: %v", err)
				return
			}
			c.Close()
		})
	}
	clients.Wait()
	e.shown(e.tls, "yes.example.test")
	before := asked.Load()
	for range 3 {
		c, err := tls.Dial("tcp", e.tls, &tls.Config{ServerName: "no.example.test", InsecureSkipVerify: true})
		if err == nil {
			c.Close()
			t.Error("no: there is a certificate")
		}
	}
	if n := asked.Load() - before; n != 1 {
		t.Errorf("of a name that was refused it was asked %d times", n)
	}
}

func TestTwoHostsWithOneFolderGetACertificateOnce(t *testing.T) {
	e := newEdge(t, acmetest.Options{})
	e.authority.Start()
	other := acme.New(hclog.NewNullLogger())
	defer other.Close()
	_, secure := e.serve(other) // where the authority never looks
	s := e.settings
	s.Names = []string{"one.example.test"}
	harness.Must(t, other.Use(s))
	harness.Must(t, e.manager.Use(s))
	other.Manage() // its challenges are answered by the first one
	e.manager.Manage()
	await(t, other, "had", had)
	await(t, e.manager, "had", had)
	if one, two := e.shown(e.tls, s.Names[0]), e.shown(secure, s.Names[0]); !one.Equal(two) {
		t.Errorf("there are two certificates: %v and %v", one.SerialNumber, two.SerialNumber)
	}
}

func TestOnlyAPlainYesIsAYes(t *testing.T) {
	var asked string
	in, err := net.Listen("tcp", "127.0.0.1:0")
	harness.Must(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		w.Header().Set("Location", "/200")
		w.WriteHeader(status)
	})}
	go server.Serve(in) // ends with Close
	defer server.Close()
	url := "http://" + in.Addr().String()
	for status, yes := range map[string]bool{"200": true, "204": true, "302": false, "404": false, "500": false} {
		if err := acme.AskURL(context.Background(), url+"/"+status+"?a=b", "x.test"); (err == nil) != yes {
			t.Errorf("%s: %v", status, err)
		}
		if want := "/" + status + "?a=b&domain=x.test"; asked != want {
			t.Errorf("asked %s, expected %s", asked, want)
		}
	}
	server.Close()
	if err := acme.AskURL(context.Background(), url+"/200", "x.test"); err == nil {
		t.Error("of nobody it is a yes")
	}
}
