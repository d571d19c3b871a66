// Hijack: a request that asks for a WebSocket becomes a connection of the handler's own, over its stream (SPEC.md
// §5.9). What the handler says by hand first is its answer's head; from a 101 on, bytes go both ways.

package sdk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// mostByHand is how long an answer may be that is written to a hijacked connection and is no 101.
const mostByHand = protocol.MaxData

// Hijack implements [http.Hijacker], for a request that asks for a WebSocket (Upgrade: websocket, by HTTP/1.1) and
// for which the host offers a tunnel; for any other the error is [http.ErrNotSupported]. The handler then says
// "HTTP/1.1 101 Switching Protocols" with its headers over the connection, unless it has called WriteHeader(101)
// before; the host leaves out what is not about a WebSocket, and adds Upgrade and Connection. Another answer by hand
// may be 64 KiB long, and goes out when the connection is closed.
//
// As under [net/http] the connection is the caller's until it closes it, also after the handler has returned; until
// then the worker does not leave, but for drain_timeout. Its deadlines work. Reads give [io.EOF] when the client has
// ended its side; when it has gone, or the worker has to leave, both reads and writes fail, with [ErrClientGone] or
// [ErrDrained]. What is asked of [Connections] from then on takes effect at once.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
		return nil, nil, errReturned
	case w.hijacked != nil:
		return nil, nil, http.ErrHijacked
	case w.s.tunnel == "":
		return nil, nil, fmt.Errorf("sdk: %w: the host owns the connection, and hands over only that of a request "+
			"which asks for a WebSocket over HTTP/1.1", http.ErrNotSupported)
	case w.status != 0 && w.status != http.StatusSwitchingProtocols:
		return nil, nil, fmt.Errorf("sdk: Hijack: the response has begun, with status %d", w.status)
	}
	h := &hijacked{s: w.s}
	if w.status != 0 {
		if err := h.open(w.work.pairs, nil); err != nil {
			return nil, nil, err
		}
	}
	w.hijacked = h
	w.s.acts.release()
	w.s.mu.Lock()
	w.s.hijacked = h
	w.s.mu.Unlock()
	return h, bufio.NewReadWriter(bufio.NewReader(h), bufio.NewWriter(h)), nil
}

// hijacked is the handler's connection. It implements [net.Conn].
type hijacked struct {
	s *stream

	mu sync.Mutex // orders writers; held while one waits for the window
	// guarded by mu
	head   []byte // of the answer, until that is a whole 101
	opened bool   // RESPONSE with 101 has gone
	closed bool

	end sync.Mutex // over the stream's DONE
	// guarded by end
	over     bool   // it was closed, and has said all
	returned bool   // so has the handler
	staged   []byte // acts that go with DONE
}

// open sends the 101. Under mu, or before anybody else has it.
func (h *hijacked) open(pairs []string, body []byte) error {
	if err := protocol.CheckHeaders(pairs); err != nil {
		return fmt.Errorf("sdk: the head of a 101: %w", err)
	}
	if err := h.s.failure(); err != nil {
		return err
	}
	h.s.body.reopen()
	h.s.link.tunnelled(h.s.id)
	h.opened, h.head = true, nil
	return h.s.link.send(&protocol.Response{Stream: h.s.id, Status: http.StatusSwitchingProtocols, Headers: pairs,
		Body: body})
}

// Read implements [net.Conn].
func (h *hijacked) Read(p []byte) (int, error) {
	n, err := h.s.body.Read(p)
	if errors.Is(err, http.ErrBodyReadAfterClose) {
		err = net.ErrClosed
	}
	return n, h.wrong("read", err)
}

// wrong is an error as those of [net.Conn] are.
func (h *hijacked) wrong(what string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: what, Net: "tcp", Addr: h.RemoteAddr(), Err: err}
}

// Write implements [net.Conn].
func (h *hijacked) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, err := h.write(p)
	return n, h.wrong("write", err)
}

func (h *hijacked) write(p []byte) (n int, err error) {
	if h.closed {
		return 0, net.ErrClosed
	}
	if !h.opened {
		return h.answer(p)
	}
	for n < len(p) {
		k, err := h.s.takeCredit(min(len(p)-n, h.s.link.chunk))
		if err != nil {
			return n, err
		}
		if err := h.s.link.send(&protocol.Data{Stream: h.s.id, Bytes: p[n : n+k]}); err != nil {
			return n, err
		}
		n += k
	}
	return n, h.s.failure()
}

var errByHand = fmt.Errorf("sdk: an answer that is written to a hijacked connection, and is no 101, may be %d KiB "+
	"long: give it without Hijack", mostByHand>>10)

// answer takes what the handler says of its answer by hand.
func (h *hijacked) answer(p []byte) (int, error) {
	if err := h.s.failure(); err != nil {
		return 0, err
	}
	before := len(h.head)
	h.head = append(h.head, p...)
	status, pairs, size, err := parseHead(h.head)
	switch {
	case err == nil && status == http.StatusSwitchingProtocols:
		rest := h.head[size:]
		first := rest[:min(len(rest), h.s.link.chunk)]
		if err := h.open(pairs, first); err != nil {
			return 0, err
		}
		n, err := h.write(rest[len(first):])
		return max(0, min(len(p), len(p)-len(rest)+len(first)+n)), err
	case len(h.head) > mostByHand:
		h.head = h.head[:before]
		return 0, errByHand
	}
	return len(p), nil // a head that is wrong is told at the end
}

// Close implements [net.Conn].
func (h *hijacked) Close() error {
	if !h.s.hangUp() {
		return h.wrong("close", net.ErrClosed)
	}
	h.mu.Lock()
	h.closed = true
	last := h.lastWord()
	h.mu.Unlock()
	if h.ends(func() { h.over = true }, last) { // the handler returned before: its stream ends here
		h.s.link.finished()
	}
	return nil
}

// lastWord is what the host is to hear at the end, but for DONE; nil is nothing. Under mu.
func (h *hijacked) lastWord() protocol.Message {
	id := h.s.id
	switch {
	case h.s.failure() != nil:
		return nil
	case h.opened:
		return &protocol.Data{Stream: id, Flags: protocol.FlagEnd}
	case len(h.head) == 0:
		return &protocol.Reset{Stream: id, Code: protocol.ResetAborted, Reason: "the handler closed the connection"}
	}
	m, err := parseAnswer(h.head)
	if err != nil {
		why := "what was written to a hijacked connection is no answer: " + err.Error()
		h.s.link.log("error", id, why)
		return &protocol.Reset{Stream: id, Code: protocol.ResetInternal, Reason: why}
	}
	m.Stream = id
	return m
}

// leave is the handler's return, or its panic. It says whether the stream goes on.
func (h *hijacked) leave(staged []byte) (goesOn bool) {
	return !h.ends(func() { h.returned, h.staged = true, staged }, nil)
}

// ends notes a part of the stream's end, for which last is to be said, and says DONE when it was the last of them.
func (h *hijacked) ends(note func(), last protocol.Message) (over bool) {
	h.end.Lock()
	note()
	over = h.over && h.returned
	staged := h.staged
	h.end.Unlock()
	if last != nil {
		_ = h.s.link.send(last) // a broken pipe has ended the link
	}
	if over {
		_ = h.s.sendDone(staged, &protocol.Done{Stream: h.s.id}) // likewise
	}
	return over
}

// LocalAddr implements [net.Conn]: the address that the client has come to.
func (h *hijacked) LocalAddr() net.Addr { return address(h.s.ctx.local) }

// RemoteAddr implements [net.Conn]: the client's address.
func (h *hijacked) RemoteAddr() net.Addr { return address(h.s.remote) }

func address(text string) net.Addr {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return net.TCPAddrFromAddrPort(at)
	}
	return &net.UnixAddr{Name: text, Net: "unix"}
}

// SetDeadline implements [net.Conn].
func (h *hijacked) SetDeadline(t time.Time) error {
	_ = h.SetReadDeadline(t) // it can't fail
	return h.SetWriteDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (h *hijacked) SetReadDeadline(t time.Time) error {
	h.s.body.readBy.set(h.s, t)
	return nil
}

// SetWriteDeadline implements [net.Conn].
func (h *hijacked) SetWriteDeadline(t time.Time) error {
	h.s.writeBy.set(h.s, t)
	return nil
}

// errHead is of a head that is not whole, or wrong.
var errHead = errors.New("no whole head of an HTTP/1.1 response")

// parseHead reads the head of a response (RFC 9112 §4, §5) that was written by hand, with the capitals that it has.
// size is how long it is.
func parseHead(b []byte) (status int, pairs []string, size int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil, 0, errHead
	}
	line, rest, _ := bytes.Cut(b[:end+2], []byte("\r\n"))
	if len(line) < len("HTTP/1.1 101") || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' ||
		line[8] != ' ' || len(line) > 12 && line[12] != ' ' || bytes.ContainsAny(line, "\r\n") {
		return 0, nil, 0, errHead
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, nil, 0, errHead
		}
		status = status*10 + int(c-'0')
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			return 0, nil, 0, errHead
		}
		pairs = append(pairs, string(name), string(bytes.Trim(value, " \t")))
	}
	if protocol.CheckHeaders(pairs) != nil {
		return 0, nil, 0, errHead
	}
	return status, pairs, end + 4, nil
}

// parseAnswer reads a whole answer that is no 101.
func parseAnswer(b []byte) (*protocol.Response, error) {
	status, pairs, _, err := parseHead(b)
	if err != nil {
		return nil, err
	}
	if status < 200 {
		return nil, fmt.Errorf("status %d", status)
	}
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return &protocol.Response{Flags: protocol.FlagEnd, Status: status, Headers: pairs, Body: body}, nil
}
