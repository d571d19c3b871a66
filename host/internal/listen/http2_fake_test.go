// A client of HTTP/2 that says what no well-behaved one would: frames and header blocks as a test spells them (RFC
// 9113 §4.1, RFC 7541).

package listen

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// types and flags of frames
const (
	frameData, frameHeaders, framePriority, frameReset, frameSettings, framePing, frameGoAway, frameWindow,
	frameContinuation = 0, 1, 2, 3, 4, 6, 7, 8, 9

	endStream, endHeaders = 1, 4
)

type h2client struct {
	net.Conn
	t    testing.TB
	in   *bufio.Reader
	next uint32 // stream
}

// dialH2 opens a connection with settings, id and value in turn. With those of an empty header table, a status is
// never an index that only a decoder knows.
func (h *house) dialH2(settings ...uint32) *h2client {
	h.t.Helper()
	c := &h2client{Conn: h.dial(), t: h.t, next: 1}
	if h.options.TLS != nil {
		c.Conn = tlsClient(c.Conn)
	}
	c.in = bufio.NewReader(c.Conn)
	var payload []byte
	for i, n := range settings {
		if payload = binary.BigEndian.AppendUint32(payload, n); i%2 == 0 {
			payload = append(payload[:len(payload)-4], byte(n>>8), byte(n))
		}
	}
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	c.frame(frameSettings, 0, 0, payload)
	return c
}

func tlsClient(c net.Conn) net.Conn {
	return tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
}

var noTable = []uint32{1, 0}

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// frame sends one. That the host has hung up is for whoever reads to see.
func (c *h2client) frame(kind, flags byte, stream uint32, payload []byte) error {
	_, err := c.Write(frame(kind, flags, stream, payload))
	return err
}

// block is a header block of names and values, all of them literal.
func block(fields ...string) (b []byte) {
	for i, s := range fields {
		if i%2 == 0 {
			b = append(b, 0)
		}
		if n := len(s); n < 127 {
			b = append(b, byte(n))
		} else {
			b = append(b, 127)
			for n -= 127; n >= 128; n >>= 7 {
				b = append(b, byte(n)|128)
			}
			b = append(b, byte(n))
		}
		b = append(b, s...)
	}
	return b
}

func get(more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a.test"}, more...)
}

// ask opens a stream with the fields and says what became of it: a status, or the name and code of the frame that
// ended it.
func (c *h2client) ask(flags byte, fields ...string) string {
	c.t.Helper()
	stream := c.open(flags, fields...)
	return c.outcome(stream)
}

func (c *h2client) open(flags byte, fields ...string) (stream uint32) {
	stream, c.next = c.next, c.next+2
	for kind, b := byte(frameHeaders), block(fields...); kind != 0; kind, flags = frameContinuation, 0 {
		piece := b[:min(len(b), 16<<10)]
		if b = b[len(piece):]; len(b) == 0 {
			c.frame(kind, flags|endHeaders, stream, piece)
			return stream
		}
		c.frame(kind, flags, stream, piece)
	}
	return stream
}

// outcome reads until something is said of a stream, or of the connection; "closed" is its end without a word.
func (c *h2client) outcome(stream uint32) string {
	c.t.Helper()
	for {
		kind, flags, of, payload, err := c.read()
		switch {
		case err != nil:
			return "closed"
		case kind == frameSettings && flags == 0:
			c.frame(frameSettings, 1, 0, nil)
		case kind == frameGoAway:
			return fmt.Sprint("GOAWAY ", binary.BigEndian.Uint32(payload[4:]))
		case of != stream:
		case kind == frameReset:
			return fmt.Sprint("RST_STREAM ", binary.BigEndian.Uint32(payload))
		case kind == frameHeaders:
			return readStatus(payload)
		}
	}
}

func (c *h2client) read() (kind, flags byte, stream uint32, payload []byte, err error) {
	var head [9]byte
	if _, err = io.ReadFull(c.in, head[:]); err != nil {
		return
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err = io.ReadFull(c.in, payload)
	return head[3], head[4], binary.BigEndian.Uint32(head[5:]), payload, err
}

// readStatus reads the first field of a response's block, which is its status.
func readStatus(b []byte) string {
	for len(b) > 0 && b[0]&0xe0 == 0x20 { // the table's size
		b = b[1:]
	}
	switch {
	case len(b) > 0 && b[0] >= 0x88 && b[0] <= 0x8e:
		return []string{"200", "204", "206", "304", "400", "404", "500"}[b[0]-0x88]
	case len(b) < 3 || b[0]&0x3f < 8 || b[0]&0x3f > 14 || b[0]&0x80 != 0:
		return fmt.Sprintf("a block that begins with %x", b[:min(len(b), 8)])
	case b[1]&0x80 == 0:
		return string(b[2 : 2+b[1]])
	}
	var digits []byte // in Huffman's code: five bits for 0, 1 and 2, six for the others
	for bits, n := uint64(b[2])<<56|uint64(b[3])<<48, 0; n < 3; n++ {
		if d := bits >> 59; d < 3 {
			digits, bits = append(digits, '0'+byte(d)), bits<<5
		} else {
			digits, bits = append(digits, '0'+byte(bits>>58)-0b010110), bits<<6
		}
	}
	return string(digits)
}

// ended says how the connection ends, whatever comes before that.
func (c *h2client) ended() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		switch kind, _, _, payload, err := c.read(); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return "still open"
		case err != nil:
			return "closed"
		case kind == frameGoAway:
			return fmt.Sprint("GOAWAY ", binary.BigEndian.Uint32(payload[4:]))
		}
	}
}
