// certificates.go has the certificates that the host gets by itself: from the configuration to what package acme goes
// by, and whom it asks about names.

package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/acme"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/privilege"
	"github.com/workerhost/workerhost/protocol"
)

// useCertificates has what the setup says of certificates hold. What can't be had is a line of the log, and a problem
// of the status.
func (h *host) useCertificates(made *setup) {
	if err := h.certificates.Use(h.certificateSettings(made)); err != nil {
		h.log.Error("certificates: none is got or renewed", "error", err)
	}
}

// manageCertificates begins to get those of a setup, once all of its listeners are served, which the authority asks.
// The caller holds mu.
func (h *host) manageCertificates(s *setup) {
	if !slices.ContainsFunc(s.listeners, func(l *listener) bool { return !l.started.Load() }) {
		h.certificates.Manage()
	}
}

func (h *host) certificateSettings(made *setup) acme.Settings {
	c := &made.config.ACME
	names, _ := made.config.Certified()
	s := acme.Settings{
		Names: names, Email: c.Email, Directory: c.Directory, Roots: c.Roots(), Profile: c.Profile,
		Folder: made.config.CertificateFolder,
	}
	if !made.managesCertificates() {
		return acme.Settings{}
	}
	if c.EAB != nil {
		s.EABID, s.EABKey = c.EAB.ID, c.EAB.MAC()
	}
	if d := c.DNS; d != nil {
		s.DNS = &acme.DNS{Server: d.Server, Zone: d.Zone, Key: d.Key, Secret: d.Secret(), Algorithm: d.Algorithm,
			Settle: d.Wait}
		if len(d.Command) > 0 {
			s.DNS.Run = func(ctx context.Context, act, name, value string) error {
				return runDNS(ctx, d, made.config.Folder, act, name, value)
			}
		}
	}
	switch {
	case c.Ask == "":
	case strings.HasPrefix(c.Ask, "/"):
		s.Ask = func(ctx context.Context, name string) error { return h.askPool(ctx, c.AskPool, c.Ask, name) }
	default:
		s.Ask = func(ctx context.Context, name string) error { return acme.AskURL(ctx, c.Ask, name) }
	}
	made.challenges(&s)
	return s
}

func (s *setup) managesCertificates() bool {
	return slices.ContainsFunc(s.listeners, func(l *listener) bool { return l.config.TLS != nil && l.config.TLS.Auto })
}

// challenges finds a listener for each kind of challenge: at the authority's port where there is one. The library
// looks whether somebody listens there, and would do so itself.
func (s *setup) challenges(to *acme.Settings) {
	allowed := s.config.ACME.Challenges
	find := func(kind string, secure bool, wellKnown int) (host string, port int) {
		for _, l := range s.listeners {
			if l.config.Protocol != "http" || (l.config.TLS != nil) != secure || secure && !l.config.TLS.Auto {
				continue
			}
			at, number, err := net.SplitHostPort(l.server.Address())
			n, _ := strconv.Atoi(number)
			may := n == wellKnown && len(allowed) == 0 || slices.Contains(allowed, kind)
			if err != nil || !may {
				continue
			}
			if port == 0 || n == wellKnown {
				host, port = at, n
			}
		}
		return host, port
	}
	var plainHost string
	to.Host, to.TLSPort = find("tls-alpn-01", true, 443)
	plainHost, to.HTTPPort = find("http-01", false, 80)
	to.TLS, to.HTTP = to.TLSPort != 0, to.HTTPPort != 0
	switch everywhere := func(host string) bool { ip := net.ParseIP(host); return ip != nil && ip.IsUnspecified() }; {
	case !to.TLS:
		to.Host = plainHost
	case to.HTTP && plainHost != to.Host && !everywhere(plainHost) && !everywhere(to.Host):
		to.HTTP = false // the library knows one host for both, and the TLS listener is the surer one
	}
}

// askPool asks workers about a name. nil is a yes.
func (h *host) askPool(ctx context.Context, pool, path, name string) error {
	p := byName(h.pools(), pool)
	if p == nil {
		return fmt.Errorf("there is no pool %s to ask about %s", pool, name)
	}
	ctx, cancel := context.WithTimeout(ctx, acme.AskTime)
	defer cancel()
	a := &said{finished: make(chan struct{})}
	ticket := p.workers.Submit(&protocol.Exchange{Repeatable: true, Sink: a, Request: &protocol.Request{
		Flags: protocol.FlagEnd, Method: "GET", Target: acme.Question(path, name), Version: "1.1",
		Scheme: "http", Host: "localhost", Remote: "127.0.0.1:0",
	}})
	select {
	case <-a.finished:
	case <-ctx.Done():
		ticket.Cancel(protocol.ResetCancelled)
		return fmt.Errorf("pool %s did not say in time whether there may be a certificate for %s", pool, name)
	}
	if a.failure != nil {
		return fmt.Errorf("pool %s could not say whether there may be a certificate for %s: %w", pool, name, a.failure)
	}
	return acme.Verdict(name, a.status)
}

// said is the sink of a question, of whose answer the status alone counts.
type said struct {
	stream   protocol.Stream
	status   int
	failure  *protocol.Failure
	finished chan struct{}
}

func (s *said) Begin(stream protocol.Stream)   { s.stream = stream }
func (s *said) Writable()                      {}
func (s *said) Inform(*protocol.Inform)        {}
func (s *said) Respond(m *protocol.Response)   { s.status = m.Status }
func (s *said) Data(m *protocol.Data)          { s.stream.Consumed(len(m.Bytes)) }
func (s *said) Fail(failure *protocol.Failure) { s.failure = failure }
func (s *said) Finished()                      { close(s.finished) }

// longestSaid is how much of what a command says is told.
const longestSaid = 1000

// runDNS has a command change a record.
func runDNS(ctx context.Context, d *config.DNS, folder, act, name, value string) error {
	command := exec.CommandContext(ctx, d.Command[0], append(slices.Clone(d.Command[1:]), act, name, value)...)
	privilege.RunAs(command, d.Identity())
	command.Dir = folder
	command.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(ctx.Err(), err)
		}
		return fmt.Errorf("%s %s %s: %w: %s", d.Command[0], act, name, err,
			cli.Shortened(strings.TrimSpace(out.String()), longestSaid))
	}
	return nil
}

// certificateStatus is what control tells of them.
func (h *host) certificateStatus() (all []control.Certificate) {
	for _, c := range h.certificates.Status() {
		told := control.Certificate{Name: c.Name, Problem: c.Problem}
		if !c.Until.IsZero() {
			told.Until = c.Until.UTC().Format(time.RFC3339)
		}
		all = append(all, told)
	}
	return all
}
