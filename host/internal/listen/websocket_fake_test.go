// A pool of pretended workers that handle connections, and a client that makes its frames by hand.

package listen

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// switchboard handles events as its functions say, each in a goroutine of its own. The functions may be nil.
type switchboard struct {
	hub     *hub.Hub
	traits  protocol.Traits
	open    func(m *protocol.Open) (acts []protocol.Act, refusal *protocol.Response, failure *protocol.Failure)
	message func(id string, data []byte, binary bool) []protocol.Act
	closed  chan protocol.Close
	busy    underWay
}

func (b *switchboard) Traits() protocol.Traits { return b.traits }

func (b *switchboard) Submit(x *protocol.Exchange) protocol.Ticket {
	t := &seat{gone: make(chan struct{}), whole: make(chan []byte, 1)}
	b.busy.Add(1)
	go func() {
		defer b.busy.Done()
		b.handle(x, t)
	}()
	return t
}

func (b *switchboard) handle(x *protocol.Exchange, t *seat) {
	defer x.Sink.Finished()
	var acts []protocol.Act
	switch m := x.Request.(type) {
	case *protocol.Request:
		x.Sink.Begin(t)
		x.Sink.Respond(&protocol.Response{Flags: protocol.FlagEnd | protocol.FlagDone, Status: 200,
			Body: []byte("no WebSocket")})
		return
	case *protocol.Open:
		x.Sink.Begin(t)
		if b.open == nil {
			break
		}
		made := make(chan struct{})
		var refusal *protocol.Response
		var failure *protocol.Failure
		go func() {
			defer close(made)
			acts, refusal, failure = b.open(m)
		}()
		select {
		case <-made:
		case <-t.gone:
			x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
			return
		}
		if failure != nil {
			x.Sink.Fail(failure)
			return
		}
		if refusal != nil {
			x.Sink.Respond(refusal)
			return
		}
	case *protocol.Incoming:
		data := bytes.Clone(m.Bytes)
		if m.Flags&protocol.FlagEnd == 0 {
			t.data = data
		}
		x.Sink.Begin(t)
		if m.Flags&protocol.FlagEnd == 0 {
			data = <-t.whole
		}
		acts = b.message(m.Connection.ID, data, m.Flags&protocol.FlagBinary != 0)
		for _, l := range m.More {
			acts = append(acts, b.message(m.Connection.ID, bytes.Clone(l.Bytes), l.Flags&protocol.FlagBinary != 0)...)
		}
	case *protocol.Close:
		x.Sink.Begin(t)
		b.closed <- *m
	}
	if err := b.hub.Apply(x.Subject, acts); err != nil {
		x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedReset, Detail: err.Error()})
	}
}

// seat is a message's place at the switchboard, with a window that never closes.
type seat struct {
	data  []byte
	whole chan []byte
	once  sync.Once
	gone  chan struct{}
}

func (t *seat) Send(p []byte, end bool, _ []string) (int, bool) {
	if t.data = append(t.data, p...); end {
		t.whole <- t.data
	}
	return len(p), !end
}
func (t *seat) Consumed(int)              {}
func (t *seat) Worker() (int, uint64)     { return 1, 1 }
func (t *seat) Cancel(protocol.ResetCode) { t.once.Do(func() { close(t.gone) }) }
func say(data []byte, binary bool) protocol.Act {
	m := &protocol.Send{Bytes: data}
	if binary {
		m.Flags = protocol.FlagBinary
	}
	return m
}

// lines is a house whose workers echo each message, unless change says otherwise.
type lines struct {
	*house
	board *switchboard
	hub   *hub.Hub
}

func startLines(t testing.TB, change ...func(*switchboard, *Options)) *lines {
	t.Helper()
	b := &switchboard{closed: make(chan protocol.Close, 20000)}
	b.traits = protocol.Traits{Pool: "web", Events: protocol.Events{Open: true, Message: true, Close: true}}
	b.message = func(_ string, data []byte, binary bool) []protocol.Act { return []protocol.Act{say(data, binary)} }
	t.Cleanup(b.busy.Wait) // after the house has closed: clean-ups run backwards
	h := start(t, hello, func(o *Options) {
		b.hub = hub.New(o.Logger)
		o.Terms.Hub, o.Backend, o.Sockets = b.hub, b, peer.DefaultSocketLimits()
		for _, f := range change {
			f(b, o)
		}
	})
	return &lines{house: h, board: b, hub: b.hub}
}

// left waits for a CLOSE.
func (l *lines) left() protocol.Close {
	l.t.Helper()
	select {
	case m := <-l.board.closed:
		return m
	case <-time.After(10 * time.Second):
		l.t.Fatal("no CLOSE came")
		return protocol.Close{}
	}
}

// caller is a client. Its connection has a deadline.
type caller struct {
	net.Conn
	t    testing.TB
	in   *bufio.Reader
	head *http.Response
}

const aKey = "dGhlIHNhbXBsZSBub25jZQ=="

// knock sends a handshake, and reads the answer to it.
func (l *lines) knock(headers ...string) *caller {
	l.t.Helper()
	c := net.Conn(l.dial())
	if l.options.TLS != nil {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	return knockOn(l.t, c, headers...)
}

func knockOn(t testing.TB, c net.Conn, headers ...string) *caller {
	t.Helper()
	set := map[string]string{"Host": "one.test", "Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": aKey}
	line := "GET /chat?room=1 HTTP/1.1\r\n"
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "" {
			line = headers[i+1] + "\r\n"
			continue
		}
		set[headers[i]] = headers[i+1]
	}
	for name, value := range set {
		if value != "" {
			line += name + ": " + value + "\r\n"
		}
	}
	if _, err := io.WriteString(c, line+"\r\n"); err != nil {
		t.Fatal(err)
	}
	k := &caller{Conn: c, t: t, in: bufio.NewReader(c)}
	var err error
	if k.head, err = http.ReadResponse(k.in, nil); err != nil {
		t.Fatalf("no answer to the handshake: %v", err)
	}
	return k
}

// call is a handshake that has to succeed.
func (l *lines) call(headers ...string) *caller {
	l.t.Helper()
	k := l.knock(headers...)
	if k.head.StatusCode != 101 {
		b, _ := io.ReadAll(k.head.Body)
		l.t.Fatalf("the handshake was answered with %s\n%s", k.head.Status, b)
	}
	return k
}

func (k *caller) send(frames ...[]byte) {
	k.t.Helper()
	if _, err := k.Write(bytes.Join(frames, nil)); err != nil {
		k.t.Fatal(err)
	}
}

// frame reads the next frame.
func (k *caller) frame() (first byte, payload []byte, err error) {
	h, err := ws.ReadHeader(k.in)
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, h.Length)
	_, err = io.ReadFull(k.in, payload)
	first = h.Rsv<<4 | byte(h.OpCode)
	if h.Fin {
		first |= 0x80
	}
	if h.Masked {
		err = errors.New("a masked frame")
	}
	return first, payload, err
}

// expect reads a frame, which has to be this one.
func (k *caller) expect(first byte, payload []byte) {
	k.t.Helper()
	got, p, err := k.frame()
	if err != nil || got != first || !bytes.Equal(p, payload) {
		k.t.Fatalf("frame %#x with %d bytes %.80q, %v; expected %#x with %d bytes", got, len(p), p, err, first,
			len(payload))
	}
}

// expectClose reads a close frame and then the end.
func (k *caller) expectClose(code int) (reason string) {
	k.t.Helper()
	first, p, err := k.frame()
	for ; err == nil && first != 0x88; first, p, err = k.frame() {
	}
	got := protocol.CloseNoCode
	if len(p) >= 2 {
		got, reason = int(binary.BigEndian.Uint16(p)), string(p[2:])
	}
	if err != nil || got != code {
		k.t.Fatalf("frame %#x %q, %v; expected to be closed with %d", first, p, err, code)
	}
	return reason
}

func (k *caller) expectEnd() {
	k.t.Helper()
	if rest, err := io.ReadAll(k.in); err != nil || len(rest) > 0 {
		k.t.Fatalf("%q and %v came instead of the end", rest, err)
	}
}

// upgraded is what the answer says of the upgrade.
func (k *caller) upgraded() string {
	return strings.Join([]string{k.head.Header.Get("Upgrade"), k.head.Header.Get("Connection"),
		k.head.Header.Get("Sec-Websocket-Accept")}, " ")
}
