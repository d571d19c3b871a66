// The frames of an HTTP/2 connection, read along beneath net/http (RFC 9113 §4.1). net/http bounds what is open and
// what waits; here stands how many frames may come that ask for nothing, and that a header block which has begun has
// to end.

package listen

import "encoding/binary"

// frame types and flags (RFC 9113 §6)
const (
	typeData         = 0
	typeHeaders      = 1
	typeReset        = 3
	typeGoAway       = 7
	typeWindow       = 8
	typeContinuation = 9

	flagEndHeaders = 0x4
	flagPadded     = 0x8
)

// frameReader finds the frames in bytes that come in pieces of any size.
type frameReader struct {
	head [9]byte
	got  int // bytes of head
	left int // bytes of the payload that are still to come
}

// next takes a piece of p: of a head, which is whole if headed, or of a payload.
func (f *frameReader) next(p []byte) (n int, headed bool) {
	if f.left > 0 {
		n = min(f.left, len(p))
		f.left -= n
		return n, false
	}
	n = copy(f.head[f.got:], p)
	if f.got += n; f.got < len(f.head) {
		return n, false
	}
	f.got, f.left = 0, int(f.head[0])<<16|int(f.head[1])<<8|int(f.head[2])
	return n, true
}

func (f *frameReader) kind() byte     { return f.head[3] }
func (f *frameReader) flags() byte    { return f.head[4] }
func (f *frameReader) stream() uint32 { return binary.BigEndian.Uint32(f.head[5:]) }

// clientFrames are those that a client sends. Its reader's goroutine owns them; patience left is shared with who
// writes.
type clientFrames struct {
	frameReader
	patience
	block bool // a header block has begun and not ended
	flood bool // the frame at hand is one too many
}

func newClientFrames() *clientFrames {
	f := new(clientFrames)
	f.renew()
	return f
}

// feed returns how many bytes of p may be passed on: up to the end of the frame that is one too many.
func (f *clientFrames) feed(p []byte) (good int, wrong string) {
	for i := 0; i < len(p); {
		n, headed := f.next(p[i:])
		i += n
		if headed {
			f.flood = f.counts() && !f.allowed()
		}
		if f.flood && f.left == 0 {
			return i, tooManyFrames
		}
	}
	return len(p), ""
}

// counts says whether the frame at hand is none that carries a body or makes room for one, and notes what it says of
// header blocks.
func (f *clientFrames) counts() bool {
	switch f.kind() {
	case typeData:
		return f.left == 0 || f.flags()&flagPadded != 0 && f.left <= 256 // all of which may be padding
	case typeHeaders, typeContinuation:
		f.block = f.flags()&flagEndHeaders == 0
	case typeWindow:
		return !f.acknowledges()
	}
	return true
}

// unfinished says whether a frame or a header block has begun that has to end in time. What carries a body has
// time-outs of its own.
func (f *clientFrames) unfinished() bool {
	return f.block || f.got > 0 || f.left > 0 && f.kind() != typeData
}

// poisonFrame is a SETTINGS frame of a stream, which net/http answers with GOAWAY wherever it comes.
var poisonFrame = []byte{0, 0, 0, 4, 0, 0, 0, 0, 1}
