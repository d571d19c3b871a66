// names.go has the name server.

package acmetest

import (
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// NameServer says that every name is at 127.0.0.1, but for those that it was told to hide. It has one zone, Zone, and
// takes signed updates of its TXT records (RFC 2136).
type NameServer struct {
	Address string // host:port, of UDP and TCP

	mu     sync.Mutex
	hidden map[string]bool
	texts  map[string][]string // of TXT records, by name
	gone   int                 // records that were removed
}

// What a NameServer goes by.
const (
	Zone   = "example.test."
	Key    = "update.test." // of hmac-sha256
	Secret = "c2VjcmV0LW9mLXRoZS10ZXN0cw=="
)

// StartNames starts a server, which the test ends.
func StartNames(t *testing.T) *NameServer {
	t.Helper()
	n := &NameServer{Address: harness.FreeAddress(t), hidden: map[string]bool{}, texts: map[string][]string{}}
	packets, err := net.ListenPacket("udp", n.Address)
	harness.Must(t, err)
	l, err := net.Listen("tcp", n.Address)
	harness.Must(t, err)
	for _, s := range []*dns.Server{{PacketConn: packets}, {Listener: l}} {
		s.Handler, s.TsigSecret = n, map[string]string{Key: Secret}
		s.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept } // updates, too
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe() // ends with Shutdown
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return n
}

// Hide has a name be at no address, or ends that.
func (n *NameServer) Hide(name string, hidden bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hidden[dns.Fqdn(name)] = hidden
}

// SetText adds a TXT record, or removes it.
func (n *NameServer) SetText(name, value string, there bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name = strings.ToLower(name)
	if there {
		n.texts[name] = append(n.texts[name], value)
		return
	}
	before := len(n.texts[name])
	n.texts[name] = slices.DeleteFunc(n.texts[name], func(v string) bool { return v == value })
	n.gone += before - len(n.texts[name])
}

// Texts are how many TXT records there are, and how many were removed.
func (n *NameServer) Texts() (there, gone int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, values := range n.texts {
		there += len(values)
	}
	return there, n.gone
}

// ServeDNS implements [dns.Handler].
func (n *NameServer) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	reply := new(dns.Msg).SetReply(m)
	signed := m.IsTsig() != nil && w.TsigStatus() == nil
	if m.Opcode == dns.OpcodeUpdate {
		if !signed || m.Question[0].Name != Zone {
			reply.Rcode = dns.RcodeRefused
		} else {
			for _, r := range m.Ns {
				if text, ok := r.(*dns.TXT); ok {
					n.SetText(text.Hdr.Name, text.Txt[0], text.Hdr.Class == dns.ClassINET)
				}
			}
		}
	} else {
		n.answer(reply, m.Question[0])
	}
	if signed {
		reply.SetTsig(Key, dns.HmacSHA256, 300, int64(m.IsTsig().TimeSigned))
	}
	w.WriteMsg(reply)
}

func (n *NameServer) answer(reply *dns.Msg, q dns.Question) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := strings.ToLower(q.Name)
	head := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET}
	switch {
	case n.hidden[name]:
		reply.Rcode = dns.RcodeNameError
	case q.Qtype == dns.TypeA:
		reply.Answer = append(reply.Answer, &dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)})
	case q.Qtype == dns.TypeTXT:
		for _, value := range n.texts[name] {
			reply.Answer = append(reply.Answer, &dns.TXT{Hdr: head, Txt: []string{value}})
		}
	case q.Qtype == dns.TypeSOA && strings.HasSuffix(name, Zone):
		head.Name = Zone
		soa := &dns.SOA{Hdr: head, Ns: "ns." + Zone, Mbox: "admin." + Zone, Serial: 1}
		if name == Zone {
			reply.Answer = append(reply.Answer, soa)
		} else {
			reply.Ns = append(reply.Ns, soa)
		}
	}
}
