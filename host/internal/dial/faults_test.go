package dial

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/protocol"
)

func TestTCPIsFramedAsAListenersConnectionsAre(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.crew.does(func(e protocol.Opening) ([]protocol.Act, *protocol.Response) {
		if m, ok := e.(*protocol.Incoming); ok {
			return []protocol.Act{&protocol.Send{Bytes: append([]byte("got "), m.Bytes...)}}, nil
		}
		return nil, nil
	})
	s.open(s.dial(server.url("tcp", ""), "p", func(d *protocol.Dial) { d.Framing = "line" }), protocol.DialBegun)
	c := server.accepts()
	fmt.Fprint(c, "one\r\ntw")
	if o := next[*protocol.Open](s); o.Connection.Protocol != protocol.ProtoTCP {
		t.Errorf("OPEN has %+v", o.Connection)
	}
	if m := next[*protocol.Incoming](s); string(m.Bytes) != "one" {
		t.Errorf("got %q", m.Bytes)
	}
	b := make([]byte, 8)
	if _, err := c.Read(b); err != nil || string(b) != "got one\n" {
		t.Errorf("the server got %q (%v)", b, err)
	}
	fmt.Fprint(c, "o\n")
	if m := next[*protocol.Incoming](s); string(m.Bytes) != "two" {
		t.Errorf("got %q", m.Bytes)
	}
	c.(*net.TCPConn).CloseWrite()
	if m := next[*protocol.Close](s); m.Code != 1000 || !m.Clean {
		t.Errorf("CLOSE is %+v", m)
	}
	server.accepts()
	if o := next[*protocol.Open](s); o.Connection.Dial.Reconnects != 1 {
		t.Errorf("%+v", o.Connection.Dial)
	}
}

// certify makes a certificate of 127.0.0.1, and who trusts it.
func certify(t *testing.T) (*tls.Config, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	trusts := x509.NewCertPool()
	trusts.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos: []string{"http/1.1"}}, trusts
}

func TestOverTLSItIsAllTheSame(t *testing.T) {
	config, trusts := certify(t)
	s := newStage(t, func(set *Settings) { set.Roots = trusts })
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	server := serverOn(t, l)
	s.open(s.dial(server.url("wss", "/"), "p"), protocol.DialBegun)
	e := hears(t, server.accepts())
	e.accept("", frame(ws.OpText, "ahead"))
	id := s.isOpen("p").ID
	next[*protocol.Incoming](s)
	e.says(ws.OpText, "later")
	if m := next[*protocol.Incoming](s); string(m.Bytes) != "later" {
		t.Errorf("got %q", m.Bytes)
	}
	large := strings.Repeat("x", 300<<10)
	if err := s.hub.Apply(nil, []protocol.Act{&protocol.Send{To: protocol.ToConnections, Names: []string{id},
		Bytes: []byte(large)}}); err != nil {
		t.Fatal(err)
	}
	if got := e.gets(ws.OpText); got != large {
		t.Errorf("the server got %d bytes", len(got))
	}
	s.asks(s.owner, 1, protocol.CallDialClose, text("p"))
	e.leaves(normal)
	next[*protocol.Close](s)
	e.ends()

	s.open(s.dial(server.url("tls", ""), "q", func(d *protocol.Dial) { d.Framing = "line" }), protocol.DialBegun)
	c := server.accepts()
	fmt.Fprint(c, "hello\n")
	next[*protocol.Open](s)
	if m := next[*protocol.Incoming](s); string(m.Bytes) != "hello" {
		t.Errorf("got %q", m.Bytes)
	}
	s.asks(s.owner, 1, protocol.CallDialClose, text("q"))
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Error(err)
	}
	c.Close()
	next[*protocol.Close](s)

	s.open(s.dial(server.url("https", "/"), "r"), protocol.DialBegun)
	hears(t, server.accepts()).answers(stream, "data: x\n\n")
	next[*protocol.Open](s)
	next[*protocol.Incoming](s)
}

func TestAServerThatNobodyTrustsIsNotSpokenTo(t *testing.T) {
	config, _ := certify(t)
	s := newStage(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	server := serverOn(t, l)
	s.open(s.dial(server.url("wss", "/"), "p"), protocol.DialBegun)
	c := server.accepts()
	c.Read(make([]byte, 1))
	s.until("it fails", func(all []State) bool { return strings.Contains(all[0].Error, "unknown authority") })
}

func TestHandshakesThatAreNoneFail(t *testing.T) {
	for _, c := range []struct{ answer, want string }{
		{"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "403"},
		{"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "302"},
		{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
			"belongs to our key"},
		{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "no WebSocket"},
		{"", "its answer is none"},
		{"SSH-2.0-x\r\n", "its answer is none"},
		{strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 9), "interim"},
	} {
		s, server := newStage(t), newServer(t)
		s.open(s.dial(server.url("ws", "/"), "x", func(d *protocol.Dial) { d.ReconnectMax = 60000 }),
			protocol.DialBegun)
		e := hears(t, server.accepts())
		fmt.Fprint(e, c.answer)
		e.Close()
		s.until(c.want, func(all []State) bool { return strings.Contains(all[0].Error, c.want) })
		s.calm()
	}
	for fields, want := range map[string]string{
		"Sec-WebSocket-Protocol: v9\r\n":                   "has chosen the subprotocol",
		"Sec-WebSocket-Extensions: permessage-deflate\r\n": "extensions",
	} {
		s, server := newStage(t), newServer(t)
		s.open(s.dial(server.url("ws", "/"), "x", func(d *protocol.Dial) { d.ReconnectMax = 60000 }),
			protocol.DialBegun)
		e := hears(t, server.accepts())
		e.accept(fields, nil)
		s.until(want, func(all []State) bool { return strings.Contains(all[0].Error, want) })
		s.calm()
	}
}

func TestAServerThatBreaksTheRulesIsLeft(t *testing.T) {
	masked, _ := ws.CompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("x"))))
	for _, c := range []struct {
		what string
		says []byte
		code string
		told int
	}{
		{"a masked frame", masked, "\x03\xea", 1002},
		{"a huge frame", []byte{0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0}, "\x03\xf1", 1009},
		{"text that is none", frame(ws.OpText, "\xff"), "\x03\xef", 1007},
		{"a length that is malformed", []byte{0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}, "\x03\xea", 1002},
	} {
		s, server := newStage(t), newServer(t)
		e := s.standing(server, s.dial(server.url("ws", "/"), "p"))
		e.Write(c.says)
		if got := e.gets(ws.OpClose); !strings.HasPrefix(got, c.code) {
			t.Errorf("%s: the close frame has %q", c.what, got)
		}
		e.Close()
		if m := next[*protocol.Close](s); m.Code != c.told || m.Clean {
			t.Errorf("%s: CLOSE is %+v", c.what, m)
		}
	}
}

func TestAServerThatIsSilentIsLeft(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.open(s.dial(server.url("ws", "/"), "slow", func(d *protocol.Dial) { d.ConnectTimeout = 50 }), protocol.DialBegun)
	hears(t, server.accepts())
	s.until("its handshake takes too long", func(all []State) bool {
		return strings.Contains(all[0].Error, "connect_timeout")
	})
	s.asks(s.owner, 1, protocol.CallDialClose, text("slow"))
	s.until("it is gone", func(all []State) bool { return len(all) == 0 })

	server = newServer(t)
	s.open(s.dial(server.url("ws", "/"), "mute", func(d *protocol.Dial) { d.PingInterval, d.PongTimeout = 20, 20 }),
		protocol.DialBegun)
	e := hears(t, server.accepts())
	e.accept("", nil)
	s.isOpen("mute")
	e.gets(ws.OpPing)
	if m := next[*protocol.Close](s); m.Code != 1006 || m.Reason == "" {
		t.Errorf("CLOSE is %+v", m)
	}
	hears(t, server.accepts())
}

func TestAnUpgradeThatIsClosedWhileItIsDialedEnds(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.open(s.dial(server.url("ws", "/"), "p"), protocol.DialBegun)
	e := hears(t, server.accepts())
	s.asks(s.owner, 1, protocol.CallDialClose, text("p"))
	s.until("it is gone", func(all []State) bool { return len(all) == 0 })
	e.ends()
	s.calm()
}
