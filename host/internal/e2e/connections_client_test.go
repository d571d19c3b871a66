// Clients of long-lived connections, and the site that they talk to: testdata/talk.php.

package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// talk is a host with the worker talk.php.
type talk struct {
	*host
	dir  string
	tcp  string // the address of its TCP listener, if it was asked for
	toml string
}

// startTalk serves talk.php on a listener with the settings, in a pool with those.
func startTalk(t *testing.T, listen, pool string) *talk {
	t.Helper()
	addr := freeAddress(t)
	return startTalkOn(t, addr, fmt.Sprintf("[[listen]]\naddress = %q\n%s\n[pool.web]\nworker = \"worker.php\"\n%s\n", addr, listen, pool))
}

// startTalkTCP has a TCP listener beside the one for HTTP.
func startTalkTCP(t *testing.T, tcp, pool string) *talk {
	t.Helper()
	addr, second := freeAddress(t), freeAddress(t)
	k := startTalkOn(t, addr, fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = \"tcp\"\n%s\n[pool.web]\nworker = \"worker.php\"\n%s\n", addr, second, tcp, pool))
	k.tcp = second
	return k
}

func startTalkOn(t *testing.T, addr, toml string) *talk {
	t.Helper()
	k := &talk{dir: t.TempDir(), toml: toml}
	k.deploy(t, "1")
	write(t, k.dir, "host.toml", toml)
	k.host = startWith(t, addr, "-c", filepath.Join(k.dir, "host.toml"))
	return k
}

// deploy puts a version of talk.php in place.
func (k *talk) deploy(t *testing.T, version string) {
	t.Helper()
	writePHP(t, k.dir, talkSource(t, version))
}

func talkSource(t *testing.T, version string) string {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(repository, "host/internal/e2e/testdata/talk.php"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(strings.TrimPrefix(string(code), "<?php\n"), "@VERSION@", version, 1)
}

// farewells are the lines that onClose wrote.
func (k *talk) farewells() []string {
	b, _ := os.ReadFile(filepath.Join(k.dir, "closed"))
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

// awaitFarewell waits until onClose wrote a line that begins so.
func (k *talk) awaitFarewell(line string) {
	k.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, l := range k.farewells() {
			if strings.HasPrefix(l, line) {
				return
			}
		}
	}
	k.t.Fatalf("onClose never said %q, but %q", line, k.farewells())
}

// socket is a WebSocket's client. Its methods are for one goroutine at a time; those that return errors may be used outside the test's own.
type socket struct{ *client }

const handshake = "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"

// tryUpgrade asks for a WebSocket; header lines come without their line ends. The socket is nil if the host refuses.
func (h *host) tryUpgrade(target string, header ...string) (*socket, answer, error) {
	c, err := h.tryDial()
	if err != nil {
		return nil, answer{}, err
	}
	lines := ""
	for _, line := range header {
		lines += line + "\r\n"
	}
	if _, err := fmt.Fprintf(c, handshake, target, h.addr, lines); err != nil {
		return nil, answer{}, err
	}
	resp, err := http.ReadResponse(c.r, &http.Request{Method: "GET"})
	if err != nil {
		c.Close()
		return nil, answer{}, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return &socket{c}, answer{resp, ""}, nil
	}
	text, err := io.ReadAll(resp.Body)
	c.Close()
	return nil, answer{resp, string(text)}, err
}

// upgrade opens a WebSocket.
func (h *host) upgrade(target string, header ...string) *socket {
	h.t.Helper()
	s, a, err := h.tryUpgrade(target, header...)
	if err != nil {
		h.t.Fatalf("no WebSocket: %v", err)
	}
	if s == nil {
		h.t.Fatalf("no WebSocket: %s %s", a.Status, a.text)
	}
	h.t.Cleanup(func() { s.Close() })
	return s
}

// frame is one as a client sends it.
func frame(op ws.OpCode, payload []byte) []byte {
	f := ws.NewFrame(op, true, bytes.Clone(payload))
	return ws.MustCompileFrame(ws.MaskFrameInPlace(f))
}

func (s *socket) tell(text string) error {
	_, err := s.Write(frame(ws.OpText, []byte(text)))
	return err
}

func (s *socket) say(format string, args ...any) {
	s.t.Helper()
	if err := s.tell(fmt.Sprintf(format, args...)); err != nil {
		s.t.Fatal(err)
	}
}

// closedError is how a WebSocket ended in good order.
type closedError struct {
	code   int
	reason string
}

func (e *closedError) Error() string { return fmt.Sprintf("closed with %d %q", e.code, e.reason) }

// listen returns the next message. It answers pings, and close frames, which are a *closedError.
func (s *socket) listen() (string, error) {
	var message []byte
	for {
		f, err := ws.ReadFrame(s.r)
		if err != nil {
			return "", err
		}
		switch f.Header.OpCode {
		case ws.OpPing:
			s.Write(frame(ws.OpPong, f.Payload))
		case ws.OpPong:
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(f.Payload)
			s.Write(frame(ws.OpClose, f.Payload))
			return "", &closedError{int(code), reason}
		default:
			if message = append(message, f.Payload...); f.Header.Fin {
				return string(message), nil
			}
		}
	}
}

func (s *socket) hear() string {
	s.t.Helper()
	text, err := s.listen()
	if err != nil {
		s.t.Fatalf("instead of a message: %v", err)
	}
	return text
}

func (s *socket) expect(want string) {
	s.t.Helper()
	if got := s.hear(); got != want {
		s.t.Fatalf("heard %.200q, want %.200q", got, want)
	}
}

// ends reads on until the connection is closed, and returns how; 1006 is without a close frame.
func (s *socket) ends() (code int, reason string) {
	s.t.Helper()
	for {
		_, err := s.listen()
		var closed *closedError
		var timeout net.Error
		switch {
		case errors.As(err, &closed):
			return closed.code, closed.reason
		case errors.As(err, &timeout) && timeout.Timeout():
			s.t.Fatal("the connection was not closed")
		case err != nil:
			return 1006, ""
		}
	}
}

// leave closes from the client's end and waits for the answer.
func (s *socket) leave(code int, reason string) {
	s.t.Helper()
	s.Write(frame(ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(code), reason)))
	if got, _ := s.ends(); got != code {
		s.t.Errorf("the answer to a close with %d is %d", code, got)
	}
	s.Close()
}

// line is a client of TCP with a line a message.
type line struct{ *client }

func (k *talk) tryLine() (*line, error) {
	conn, err := net.DialTimeout("tcp", k.tcp, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &line{&client{conn, k.t, newReader(conn)}}, nil
}

func (k *talk) line() *line {
	k.t.Helper()
	l, err := k.tryLine()
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { l.Close() })
	return l
}

func (l *line) tell(text string) error {
	_, err := io.WriteString(l, text+"\n")
	return err
}

func (l *line) listen() (string, error) {
	text, err := l.r.ReadString('\n')
	return strings.TrimSuffix(text, "\n"), err
}

func (l *line) expect(want string) {
	l.t.Helper()
	if got, err := l.listen(); err != nil || got != want {
		l.t.Fatalf("heard %.200q (%v), want %.200q", got, err, want)
	}
}

// framed puts the length before a message.
func framed(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}
