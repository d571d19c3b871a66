// Where the frames of a WebSocket end that a worker speaks itself: so much of them the host has to know to take leave
// between two of them (RFC 6455 §5.2).

package web

import "encoding/binary"

// edges follows one direction.
type edges struct {
	head   [14]byte // of the frame that has begun
	n      int      // how much of it has come; 0 once it is whole
	rest   uint64   // bytes of the frame that are still to come after its head
	closed bool     // a close frame has begun: it is the last
}

// between says whether a frame has ended, and no other has begun.
func (e *edges) between() bool { return e.n == 0 && e.rest == 0 }

// feed follows p to the end of the frame at hand, or of p, and says how far that is.
func (e *edges) feed(p []byte) (n int) {
	for n < len(p) {
		if e.rest > 0 {
			k := int(min(e.rest, uint64(len(p)-n)))
			n += k
			if e.rest -= uint64(k); e.rest == 0 {
				return n
			}
			continue
		}
		e.head[e.n] = p[n]
		e.n++
		n++
		if e.n >= 2 && e.n == e.size() {
			e.closed = e.closed || e.head[0]&0xf == 8
			e.rest, e.n = e.length(), 0
			if e.rest == 0 {
				return n
			}
		}
	}
	return n
}

// size is that of the head, of which two bytes have come.
func (e *edges) size() int {
	n := 2
	switch e.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if e.head[1]&0x80 != 0 { // a server masks nothing, but it may
		n += 4
	}
	return n
}

// length is that of the payload, once the head is whole.
func (e *edges) length() uint64 {
	switch n := e.head[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(e.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(e.head[2:])
	default:
		return uint64(n)
	}
}

// appendClose appends a server's close frame (RFC 6455 §5.5.1); reason has at most 123 bytes.
func appendClose(b []byte, code int, reason string) []byte {
	b = append(b, 0x88, byte(2+len(reason)), byte(code>>8), byte(code))
	return append(b, reason...)
}
