// A WebSocket's client, made of frames, so that it can break every rule.

package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/gobwas/ws"
)

// Socket is a WebSocket's client. Its methods are for one goroutine at a time; those that return errors may be used
// outside the test's own.
type Socket struct{ *Client }

// Handshake is a WebSocket's, for Fprintf: the target, the host, and further header lines with their line ends.
const Handshake = "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: " +
	"websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"

// TryUpgrade asks for a WebSocket; header lines come without their line ends. The socket is nil if the host refuses.
func (h *Host) TryUpgrade(target string, header ...string) (*Socket, Answer, error) {
	c, err := h.TryDial()
	if err != nil {
		return nil, Answer{}, err
	}
	lines := ""
	for _, line := range header {
		lines += line + "\r\n"
	}
	if _, err := fmt.Fprintf(c, Handshake, target, h.Addr, lines); err != nil {
		return nil, Answer{}, err
	}
	resp, err := http.ReadResponse(c.Reader, &http.Request{Method: "GET"})
	if err != nil {
		c.Close()
		return nil, Answer{}, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return &Socket{c}, Answer{resp, ""}, nil
	}
	text, err := io.ReadAll(resp.Body)
	c.Close()
	return nil, Answer{resp, string(text)}, err
}

// Upgrade opens a WebSocket.
func (h *Host) Upgrade(target string, header ...string) *Socket {
	h.T.Helper()
	s, a, err := h.TryUpgrade(target, header...)
	if err != nil {
		h.T.Fatalf("no WebSocket: %v", err)
	}
	if s == nil {
		h.T.Fatalf("no WebSocket: %s %s", a.Status, a.Text)
	}
	h.T.Cleanup(func() { s.Close() })
	return s
}

// Frame is one as a client sends it.
func Frame(op ws.OpCode, payload []byte) []byte {
	f := ws.NewFrame(op, true, bytes.Clone(payload))
	return ws.MustCompileFrame(ws.MaskFrameInPlace(f))
}

// Tell sends a text message.
func (s *Socket) Tell(text string) error {
	_, err := s.Write(Frame(ws.OpText, []byte(text)))
	return err
}

// Say is Tell of formatted text, and must succeed.
func (s *Socket) Say(format string, args ...any) {
	s.T.Helper()
	if err := s.Tell(fmt.Sprintf(format, args...)); err != nil {
		s.T.Fatal(err)
	}
}

// ClosedError is how a WebSocket ended in good order.
type ClosedError struct {
	Code   int
	reason string
}

// Error tells the code and the reason.
func (e *ClosedError) Error() string { return fmt.Sprintf("closed with %d %q", e.Code, e.reason) }

// Listen returns the next message. It answers pings, and close frames, which are a *closedError.
func (s *Socket) Listen() (string, error) {
	var message []byte
	for {
		f, err := ws.ReadFrame(s.Reader)
		if err != nil {
			return "", err
		}
		switch f.Header.OpCode {
		case ws.OpPing:
			s.Write(Frame(ws.OpPong, f.Payload))
		case ws.OpPong:
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(f.Payload)
			s.Write(Frame(ws.OpClose, f.Payload))
			return "", &ClosedError{int(code), reason}
		default:
			if message = append(message, f.Payload...); f.Header.Fin {
				return string(message), nil
			}
		}
	}
}

// Hear is Listen that must succeed.
func (s *Socket) Hear() string {
	s.T.Helper()
	text, err := s.Listen()
	if err != nil {
		s.T.Fatalf("instead of a message: %v", err)
	}
	return text
}

// Expect fails the test unless the next message is want.
func (s *Socket) Expect(want string) {
	s.T.Helper()
	if got := s.Hear(); got != want {
		s.T.Fatalf("heard %.200q, want %.200q", got, want)
	}
}

// Ends reads on until the connection is closed, and returns how; 1006 is without a close frame.
func (s *Socket) Ends() (code int, reason string) {
	s.T.Helper()
	for {
		_, err := s.Listen()
		var closed *ClosedError
		var timeout net.Error
		switch {
		case errors.As(err, &closed):
			return closed.Code, closed.reason
		case errors.As(err, &timeout) && timeout.Timeout():
			s.T.Fatal("the connection was not closed")
		case err != nil:
			return 1006, ""
		}
	}
}

// Leave closes from the client's end and waits for the answer.
func (s *Socket) Leave(code int, reason string) {
	s.T.Helper()
	s.Write(Frame(ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(code), reason)))
	if got, _ := s.Ends(); got != code {
		s.T.Errorf("the answer to a close with %d is %d", code, got)
	}
	s.Close()
}

// SocketTalker is a WebSocket as a talker.
func (h *Host) SocketTalker(target string) (Talker, error) {
	s, a, err := h.TryUpgrade(target)
	if err == nil && s == nil {
		err = fmt.Errorf("refused with %s", a.Status)
	}
	return s, err
}
