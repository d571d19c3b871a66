// dns.go proves names by records of their zones (RFC 8555 §8.4), with updates of a name server (RFC 2136) or by a
// command.

package acme

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"
)

// DNS puts TXT records into zones, and removes them. It implements the library's Solver and Waiter.
type DNS struct {
	// Run has a command put a record there ("present") or remove it ("cleanup"); nil: the server is asked.
	Run func(ctx context.Context, act, name, value string) error

	Server    string // host:port
	Zone      string // "": the server knows it
	Key       string // name of the TSIG key; "": updates are not signed
	Secret    string // in base64
	Algorithm string // such as hmac-sha256

	Settle time.Duration // between a record's making and the authority's look
}

const (
	recordTTL  = 60 // seconds
	updateTime = 2 * time.Minute
)

// Present puts the record of a challenge there.
func (d *DNS) Present(ctx context.Context, c acme.Challenge) error {
	return d.change(ctx, "present", c)
}

// CleanUp removes it. That has to be even after ctx has ended.
func (d *DNS) CleanUp(ctx context.Context, c acme.Challenge) error {
	return d.change(context.WithoutCancel(ctx), "cleanup", c)
}

// Wait waits for other name servers of the zone.
func (d *DNS) Wait(ctx context.Context, _ acme.Challenge) error {
	select {
	case <-time.After(d.Settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *DNS) change(ctx context.Context, act string, c acme.Challenge) error {
	ctx, cancel := context.WithTimeout(ctx, updateTime)
	defer cancel()
	name, value := dns.Fqdn(c.DNS01TXTRecordName()), c.DNS01KeyAuthorization()
	if d.Run != nil {
		return d.Run(ctx, act, name, value)
	}
	if err := d.update(ctx, act, name, value); err != nil {
		return fmt.Errorf("the name server %s: %w", d.Server, err)
	}
	return nil
}

func (d *DNS) update(ctx context.Context, act, name, value string) error {
	zone := dns.Fqdn(d.Zone)
	if d.Zone == "" {
		var err error
		if zone, err = d.zoneOf(ctx, name); err != nil {
			return err
		}
	}
	record := &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: recordTTL},
		Txt: []string{value}}
	m := new(dns.Msg).SetUpdate(zone)
	if act == "present" {
		m.Insert([]dns.RR{record})
	} else {
		m.Remove([]dns.RR{record}) // this one alone: there may be others of its name
	}
	_, err := d.exchange(ctx, m)
	if err != nil {
		return fmt.Errorf("%s of %s in zone %s: %w", act, name, zone, err)
	}
	return nil
}

// zoneOf asks for the zone of a name, which the server names with an answer or without.
func (d *DNS) zoneOf(ctx context.Context, name string) (string, error) {
	for at, end := 0, false; !end; at, end = dns.NextLabel(name, at) {
		reply, err := d.exchange(ctx, new(dns.Msg).SetQuestion(name[at:], dns.TypeSOA))
		if err != nil {
			continue // it knows nothing of a name so long
		}
		for _, r := range append(reply.Answer, reply.Ns...) {
			if soa, ok := r.(*dns.SOA); ok {
				return soa.Hdr.Name, nil
			}
		}
	}
	return "", fmt.Errorf("it has no zone for %s: name it in [acme] dns.zone", name)
}

// exchange asks over TCP, where nothing gets lost and no answer is cut.
func (d *DNS) exchange(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	c := &dns.Client{Net: "tcp", Timeout: 10 * time.Second}
	if d.Key != "" {
		key := dns.Fqdn(strings.ToLower(d.Key))
		c.TsigSecret = map[string]string{key: d.Secret}
		m.SetTsig(key, dns.Fqdn(d.Algorithm), 300, time.Now().Unix())
	}
	reply, _, err := c.ExchangeContext(ctx, m, d.Server)
	if err != nil {
		return nil, err
	}
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("it answers %s", dns.RcodeToString[reply.Rcode])
	}
	if reply.Rcode == dns.RcodeNameError && m.Opcode == dns.OpcodeUpdate {
		return nil, fmt.Errorf("it answers %s", dns.RcodeToString[reply.Rcode])
	}
	return reply, nil
}
