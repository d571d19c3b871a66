package dial

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/protocol"
)

// ear is a WebSocket server's end of one connection.
type ear struct {
	testing.TB
	net.Conn
	r       *bufio.Reader
	request *http.Request
}

// hears reads a handshake's request.
func hears(t testing.TB, c net.Conn) *ear {
	t.Helper()
	e := &ear{TB: t, Conn: c, r: bufio.NewReader(c)}
	var err error
	if e.request, err = http.ReadRequest(e.r); err != nil {
		t.Fatal(err)
	}
	return e
}

// accept answers the handshake, with more fields, and what goes out behind it at once.
func (e *ear) accept(fields string, behind []byte) {
	e.Helper()
	sum := sha1.Sum([]byte(e.request.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	head := "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: keep-alive, Upgrade\r\n" +
		"sec-websocket-accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n" + fields + "\r\n"
	if _, err := e.Write(append([]byte(head), behind...)); err != nil {
		e.Fatal(err)
	}
}

// frame is one of a server: without a mask.
func frame(op ws.OpCode, payload string) []byte {
	b, err := ws.CompileFrame(ws.NewFrame(op, true, []byte(payload)))
	if err != nil {
		panic(err)
	}
	return b
}

// says sends a frame.
func (e *ear) says(op ws.OpCode, payload string) {
	e.Helper()
	if _, err := e.Write(frame(op, payload)); err != nil {
		e.Fatal(err)
	}
}

// gets reads a frame of a client, which has to be masked.
func (e *ear) gets(op ws.OpCode) string {
	e.Helper()
	f, err := ws.ReadFrame(e.r)
	if err != nil {
		e.Fatalf("want a frame %v: %v", op, err)
	}
	if !f.Header.Masked || f.Header.OpCode != op {
		e.Fatalf("got a frame %+v of %q, want a masked %v", f.Header, ws.UnmaskFrame(f).Payload, op)
	}
	return string(ws.UnmaskFrame(f).Payload)
}

// ends reads until the connection has ended.
func (e *ear) ends() {
	e.Helper()
	if n, err := io.Copy(io.Discard, e.r); err != nil && !strings.Contains(err.Error(), "reset") || n > 0 {
		e.Errorf("there are %d bytes more (%v)", n, err)
	}
}

func TestAWebSocketThatTheHostDialsIsAConnectionLikeAnyOther(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.crew.does(func(e protocol.Opening) ([]protocol.Act, *protocol.Response) {
		if m, ok := e.(*protocol.Incoming); ok && string(m.Bytes) == "hello" {
			return []protocol.Act{&protocol.Send{Bytes: []byte("echo hello")}}, nil
		}
		return nil, nil
	})
	s.open(s.dial(server.url("ws", "/feed?a=b"), "prices", func(d *protocol.Dial) {
		d.Headers = []string{"Authorization", "Bearer {secret:KEY}"}
		d.Subprotocols = []string{"v2", "v1"}
		d.Groups, d.UID = []string{"feeds"}, "u1"
		d.Session = []protocol.Entry{{Key: "n", Value: text("1")}}
	}), protocol.DialBegun)
	e := hears(t, server.accepts())
	h := e.request.Header
	if e.request.RequestURI != "/feed?a=b" || e.request.Host != server.Addr().String() ||
		h.Get("Authorization") != "Bearer s3cr3t" || h.Get("User-Agent") != "test/1" ||
		h.Get("Sec-Websocket-Protocol") != "v2, v1" || h.Get("Sec-Websocket-Version") != "13" {
		t.Fatalf("the request is %+v", e.request)
	}
	e.accept("Sec-WebSocket-Protocol: v1\r\n", frame(ws.OpText, "ahead"))
	open := next[*protocol.Open](s)
	c := open.Connection
	if c.Protocol != protocol.ProtoWebSocket || c.Listener != protocol.ListenerDial || c.UID != "u1" ||
		len(c.Groups) != 1 || len(c.Session) != 1 || c.Remote != server.Addr().String() || c.Dial == nil ||
		*c.Dial != (protocol.Dialed{Name: "prices", Subprotocol: "v1"}) || open.Request != nil {
		t.Fatalf("OPEN has %+v, %+v", c, c.Dial)
	}
	if m := next[*protocol.Incoming](s); string(m.Bytes) != "ahead" {
		t.Fatalf("got %q", m.Bytes)
	}
	e.says(ws.OpText, "hello")
	if got := e.gets(ws.OpText); got != "echo hello" {
		t.Fatalf("the server got %q", got)
	}
	next[*protocol.Incoming](s)
	if r := s.asks(s.owner, 1, protocol.CallDialID, text("prices")); r.Error != "" {
		t.Fatal(r.Error)
	} else if id, _ := r.Value.Decode(); id != c.ID {
		t.Errorf("dial.id is %v, want %s", id, c.ID)
	}
	if n := s.hub.Count("feeds", false); n != 1 {
		t.Errorf("%d connections are in the group", n)
	}
	e.says(ws.OpPing, "there?")
	if got := e.gets(ws.OpPong); got != "there?" {
		t.Errorf("the pong has %q", got)
	}
	large := strings.Repeat("x", 200<<10)
	e.says(ws.OpBinary, large)
	if m := next[*protocol.Incoming](s); string(m.Bytes) != large || m.Flags&protocol.FlagBinary == 0 {
		t.Errorf("a large message has come as %d bytes", len(m.Bytes))
	}
	s.open(s.dial(server.url("ws", "/feed?a=b"), "prices", func(d *protocol.Dial) {
		d.Headers = []string{"Authorization", "Bearer {secret:KEY}"}
		d.Subprotocols = []string{"v2", "v1"}
	}), protocol.DialThere)
	if r := s.asks(s.owner, 1, protocol.CallDialClose, text("prices")); r.Error != "" || string(r.Value) != "\xc3" {
		t.Fatalf("dial.close: %+v", r)
	}
	if got := e.gets(ws.OpClose); !strings.HasPrefix(got, "\x03\xe8") {
		t.Errorf("the close frame has %q", got)
	}
	e.says(ws.OpClose, "\x03\xe8")
	if m := next[*protocol.Close](s); m.Code != 1000 || !m.Clean || m.Connection.ID != c.ID {
		t.Errorf("CLOSE is %+v", m)
	}
	e.ends()
	s.until("it is gone", func(all []State) bool { return len(all) == 0 })
	if strings.Contains(s.logged.String(), "s3cr3t") {
		t.Error("the log has the secret")
	}
}

func TestADialComesBackWithWhatItHad(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.crew.does(func(e protocol.Opening) ([]protocol.Act, *protocol.Response) {
		switch e.(type) {
		case *protocol.Incoming:
			return []protocol.Act{&protocol.Join{Groups: []string{"later"}}, &protocol.Bind{UID: "u2"},
				&protocol.Set{Set: []protocol.Entry{{Key: "seen", Value: text("7")}}}}, nil
		case *protocol.Close:
			return []protocol.Act{&protocol.Leave{Groups: []string{"first"}}}, nil
		}
		return nil, nil
	})
	s.open(s.dial(server.url("ws", "/"), "prices", func(d *protocol.Dial) { d.Groups = []string{"first"} }),
		protocol.DialBegun)
	e := hears(t, server.accepts())
	e.accept("", frame(ws.OpText, "x"))
	first := next[*protocol.Open](s).Connection.ID
	next[*protocol.Incoming](s)
	e.Close()
	if m := next[*protocol.Close](s); m.Code != 1006 || m.Clean {
		t.Errorf("CLOSE is %+v", m)
	}
	hears(t, server.accepts()).accept("", nil)
	c := next[*protocol.Open](s).Connection
	if c.ID == first || c.Dial.Reconnects != 1 || c.UID != "u2" || fmt.Sprint(c.Groups) != "[later]" ||
		len(c.Session) != 1 || c.Session[0].Key != "seen" {
		t.Errorf("the next OPEN has %+v, %+v", c, c.Dial)
	}
	if n := s.hub.Count("later", false); n != 1 {
		t.Errorf("%d connections are in the group", n)
	}
}
