// Package acme gets certificates from an authority by ACME (RFC 8555), keeps them in a folder, and renews them. It
// knows no listener: they ask it for certificates in handshakes, and for the answers to challenges.
//
// What a reader may rely on:
//   - Until there is a name to get a certificate for, or somebody to ask about names, nothing runs and no folder is
//     made.
//   - No error ends anything: a certificate that can't be had is a problem of its Status, and is tried for again. One
//     that is there is used until another one takes its place, even beyond its end.
//   - Several hosts with one folder get each certificate once, and answer each other's challenges.
package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/hashicorp/go-hclog"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// Settings say which certificates there are to be, and how to get them.
type Settings struct {
	Names     []string // in lower case, in the order of Status; "*.example.org" needs DNS
	Email     string
	Directory string         // URL of the authority's
	Roots     *x509.CertPool // to trust there; nil: the system's
	Profile   string
	EABID     string // "": none
	EABKey    string
	DNS       *DNS // nil: names are proved by the challenges below
	HTTP      bool // http-01
	TLS       bool // tls-alpn-01
	// Host and the ports are of a listener for each kind of challenge.
	Host              string
	HTTPPort, TLSPort int
	// Ask says whether there may be a certificate for a name that is none of Names; nil: there may be none. It is
	// called by many goroutines.
	Ask func(ctx context.Context, name string) error
	// Folder makes the folder to keep it all in.
	Folder func() (string, error)
	// Renewal is how often it is looked whether certificates have to be renewed; 0 is every ten minutes.
	Renewal time.Duration
}

// Certificate is one of Names at a moment.
type Certificate struct {
	Name    string
	Until   time.Time // when it, or one of its chain, ends; zero: there is none yet
	Problem string    // why the last try to get or renew it failed; "" if there was none since
}

// Manager has the certificates. Its methods are safe for concurrent use.
type Manager struct {
	log hclog.Logger
	zap *zap.Logger

	now      atomic.Pointer[managed] // nil: nothing is managed
	mu       sync.Mutex              // guards what follows, and changes of now
	cache    *certmagic.Cache        // nil like now
	problems map[string]string
	closed   bool
	asking   askers
}

// managed is what holds under some Settings.
type managed struct {
	Settings
	names  map[string]bool
	named  *certmagic.Config // for Names
	demand *certmagic.Config // for others; nil without Ask
	issuer *certmagic.ACMEIssuer
	wanted context.Context // ends when other settings hold
	drop   context.CancelFunc
	begun  bool // guarded by the manager's mu
}

// New makes a manager that manages nothing yet.
func New(log hclog.Logger) *Manager {
	return &Manager{log: log, zap: zap.New(&core{log: log}), problems: map[string]string{}, asking: newAskers()}
}

// loadTime is how long the start may wait for certificates that are there: for a slow folder, or an OCSP responder.
const loadTime = 3 * time.Second

// Use puts settings into effect: certificates of theirs that are in the folder are at hand when it returns. To get
// others is Manage's. The error is of the folder, and leaves all as it was.
func (m *Manager) Use(s Settings) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.now.Load()
	if m.closed || before == nil && len(s.Names) == 0 && s.Ask == nil {
		return nil
	}
	if len(s.Names) == 0 && s.Ask == nil {
		m.stop()
		return nil
	}
	folder, err := s.Folder()
	if err != nil {
		return err
	}
	next := m.manage(s, folder)
	m.now.Store(next)
	if before != nil {
		before.drop()
		m.forget(before, next)
	}
	m.load(next)
	return nil
}

// manage builds what holds under settings. The caller holds mu.
func (m *Manager) manage(s Settings, folder string) *managed {
	next := &managed{Settings: s, names: map[string]bool{}}
	next.wanted, next.drop = context.WithCancel(context.Background())
	for _, name := range s.Names {
		next.names[name] = true
	}
	if m.cache == nil {
		m.cache = certmagic.NewCache(certmagic.CacheOptions{
			Logger: m.zap, RenewCheckInterval: s.Renewal, Capacity: mostOnDemand, GetConfigForCert: m.configOf,
		})
	}
	base := certmagic.Config{Storage: &certmagic.FileStorage{Path: folder}, Logger: m.zap, OnEvent: m.note,
		ShouldEmitFunc: heeded}
	if len(s.Names) > 0 {
		base.DefaultServerName = s.Names[0]
	}
	next.named = certmagic.New(m.cache, base)
	next.issuer = next.issuerOf(next.named, m.zap)
	next.named.Issuers = []certmagic.Issuer{next.issuer}
	if s.Ask != nil {
		base.OnDemand = &certmagic.OnDemandConfig{DecisionFunc: func(ctx context.Context, name string) error {
			return m.asking.ask(ctx, name, s.Ask)
		}}
		next.demand = certmagic.New(m.cache, base)
		next.demand.Issuers = []certmagic.Issuer{next.issuerOf(next.demand, m.zap)}
	}
	return next
}

// mostOnDemand is how many certificates are in memory; others are read from the folder again.
const mostOnDemand = 10000

func (s *managed) issuerOf(c *certmagic.Config, log *zap.Logger) *certmagic.ACMEIssuer {
	template := certmagic.ACMEIssuer{
		CA: s.Directory, Email: s.Email, Agreed: true, TrustedRoots: s.Roots, Profile: s.Profile, Logger: log,
		DisableHTTPChallenge: !s.HTTP, DisableTLSALPNChallenge: !s.TLS,
		ListenHost: s.Host, AltHTTPPort: s.HTTPPort, AltTLSALPNPort: s.TLSPort,
	}
	if s.EABID != "" {
		template.ExternalAccount = &acme.EAB{KeyID: s.EABID, MACKey: s.EABKey}
	}
	if s.DNS != nil {
		template.DNS01Solver = s.DNS
	}
	return certmagic.NewACMEIssuer(c, template)
}

// configOf is whose a certificate is.
func (m *Manager) configOf(c certmagic.Certificate) (*certmagic.Config, error) {
	s := m.now.Load()
	switch {
	case s == nil:
		return nil, errors.New("nothing is managed any more")
	case s.demand != nil && !slices.ContainsFunc(c.Names, func(name string) bool { return s.names[name] }):
		return s.demand, nil
	}
	return s.named, nil
}

// load reads the certificates that are there.
func (m *Manager) load(s *managed) {
	all := make(chan struct{})
	var loading sync.WaitGroup
	for _, name := range s.Names {
		if m.until(name).IsZero() {
			// what is not there is Manage's to get
			loading.Go(func() { s.named.CacheManagedCertificate(s.wanted, name) })
		}
	}
	go func() { // ends when all are read, or their settings hold no more
		loading.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-time.After(loadTime):
		m.log.Warn("certificates take long to be read: they are used once they are", "took", loadTime.String())
	}
}

// forget ends what was managed before and is no more.
func (m *Manager) forget(before, next *managed) {
	var gone []certmagic.SubjectIssuer
	for name := range before.names {
		if !next.names[name] {
			gone = append(gone, certmagic.SubjectIssuer{Subject: name})
			delete(m.problems, name)
		}
	}
	m.cache.RemoveManaged(gone)
}

// Manage begins to get the certificates that are not there, and to renew them, unless it has begun already under the
// settings of the moment. It does not wait. Whoever can answer challenges has to do so from now on.
func (m *Manager) Manage() {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.now.Load()
	if s == nil || s.begun {
		return
	}
	s.begun = true
	if err := s.named.ManageAsync(s.wanted, s.Names); err != nil {
		m.log.Error("certificates can't be managed", "error", err)
	}
	go m.clean(s) // ends with s
}

// cleaning is how often what has expired is removed from the folder, by one of its hosts.
const cleaning = 24 * time.Hour

// clean removes what nobody can use any more: certificates that ended a month ago, and staples.
func (m *Manager) clean(s *managed) {
	for s.wanted.Err() == nil {
		err := certmagic.CleanStorage(s.wanted, s.named.Storage, certmagic.CleanStorageOptions{
			Logger: m.zap, Interval: cleaning, OCSPStaples: true,
			ExpiredCerts: true, ExpiredCertGracePeriod: 30 * 24 * time.Hour,
		})
		if err != nil && s.wanted.Err() == nil {
			m.log.Warn("what has expired stays in the folder of certificates", "error", err)
		}
		select {
		case <-time.After(cleaning):
		case <-s.wanted.Done():
		}
	}
}

// Close ends all that is under way. Certificates stay in the folder.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.stop()
}

// stop is for the caller that holds mu.
func (m *Manager) stop() {
	s := m.now.Swap(nil)
	if s == nil {
		return
	}
	s.drop()
	m.cache.Stop()
	m.cache = nil
	clear(m.problems)
	certmagic.CleanUpOwnLocks(context.Background(), m.zap) // other hosts wait for them
}

// Status has the certificates of Names, in their order.
func (m *Manager) Status() (all []Certificate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.now.Load()
	if s == nil {
		return nil
	}
	for _, name := range s.Names {
		all = append(all, Certificate{Name: name, Until: m.until(name), Problem: m.problems[name]})
	}
	return all
}

// until is when the certificate of a name ends. The caller holds mu.
func (m *Manager) until(name string) (latest time.Time) {
	for _, c := range m.cache.AllMatchingCertificates(name) {
		if c.Leaf != nil && slices.Contains(c.Names, name) && c.Leaf.NotAfter.After(latest) {
			latest = c.Leaf.NotAfter
		}
	}
	return latest
}

// heeded are the events that note is told of.
func heeded(event string) bool { return event == "cert_obtained" || event == "cert_failed" }

// note implements the library's call-back.
func (m *Manager) note(_ context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.now.Load()
	switch {
	case s == nil:
	case event == "cert_obtained":
		delete(m.problems, name)
		renewed, _ := data["renewal"].(bool)
		m.log.Info("got a certificate", "name", name, "renewed", renewed)
	case event == "cert_failed":
		err, _ := data["error"].(error)
		if err == nil || errors.Is(err, context.Canceled) {
			return nil // other settings hold, under which it is tried again
		}
		why := explain(err)
		if s.names[name] {
			m.problems[name] = why
		}
		m.log.Warn("no certificate could be had: it is tried again", "name", name, "error", why)
	}
	return nil
}

// explain says why, without what people know already.
func explain(err error) string {
	var problem acme.Problem
	if errors.As(err, &problem) && problem.Type != "" {
		parts := []string{problem.Detail}
		for _, sub := range problem.Subproblems {
			parts = append(parts, sub.Detail)
		}
		if problem.Detail == "" {
			parts[0] = problem.Title
		}
		kind := strings.TrimPrefix(problem.Type, "urn:ietf:params:acme:error:")
		return fmt.Sprintf("the authority says %s: %s", kind, strings.Join(slices.DeleteFunc(parts,
			func(s string) bool { return s == "" }), "; "))
	}
	return err.Error()
}
