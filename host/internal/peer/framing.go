// Framing: where one message ends and the next begins on a TCP connection.

package peer

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/workerhost/workerhost/host/internal/hub"
)

// FramingKind is a way to tell where a message ends.
type FramingKind int

// The framings of TCP listeners.
const (
	FrameRaw       FramingKind = iota // not at all: a message is what a read gives
	FrameLine                         // before "\n", or "\r\n"; answers get "\n"
	FrameLength16                     // after as many bytes as the big-endian number before it says
	FrameLength32                     // likewise
	FrameDelimiter                    // before the bytes of Delimiter
)

// Framing is how messages look on a listener's connections. Equal ones look the same.
type Framing struct {
	Kind      FramingKind
	Delimiter string // of FrameDelimiter; not empty there
}

// encoding is what the hub asks for; nil is "as it is".
func (f Framing) encoding() hub.Encoding {
	if f.Kind == FrameRaw {
		return nil
	}
	return f
}

// Append implements hub.Encoding. A message that is too long for its length gives nothing, which is no frame: see
// tcpConn.cutOff.
func (f Framing) Append(b, data []byte, _ bool) []byte {
	switch f.Kind {
	case FrameLength16:
		if len(data) > math.MaxUint16 {
			return b
		}
		b = slices.Grow(b, 2+len(data))
		return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
	case FrameLength32:
		if len(data) > math.MaxUint32 {
			return b
		}
		b = slices.Grow(b, 4+len(data))
		return append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
	}
	end := f.end()
	b = slices.Grow(b, len(data)+len(end))
	return append(append(b, data...), end...)
}

// end is what stands behind each message.
func (f Framing) end() string {
	switch f.Kind {
	case FrameLine:
		return "\n"
	case FrameDelimiter:
		return f.Delimiter
	}
	return ""
}

// width is how many bytes of length stand before each message.
func (f Framing) width() int {
	switch f.Kind {
	case FrameLength16:
		return 2
	case FrameLength32:
		return 4
	}
	return 0
}

// frameTaker is given a client's messages, which are its own from then on.
type frameTaker interface{ take(data []byte) error }

// framer finds the messages in what comes of a client, however that is cut into pieces. Between two messages it holds
// no memory.
type framer struct {
	framing Framing
	most    int64 // bytes of a message
	partial []byte
	want    int     // bytes of the message whose length has come
	begun   bool    // it has
	headed  uint8   // bytes of its length that have come
	head    [4]byte // those
	loan    loan    // for partial
}

// feed takes the next bytes, which stay the caller's.
func (f *framer) feed(p []byte, to frameTaker) error {
	switch f.framing.Kind {
	case FrameRaw:
		for len(p) > 0 {
			n := int(min(f.most, int64(len(p))))
			if err := to.take(bytes.Clone(p[:n])); err != nil {
				return err
			}
			p = p[n:]
		}
		return nil
	case FrameLength16, FrameLength32:
		return f.feedLengths(p, to)
	}
	return f.feedEnds(p, to)
}

func (f *framer) feedEnds(p []byte, to frameTaker) error {
	end := f.framing.end()
	for len(p) > 0 {
		n := f.seam(p, end) // of what came before, and of p, that belongs to the message
		if n < 0 {
			n = bytes.Index(p, []byte(end))
			if n < 0 {
				f.partial = append(f.partial, p...)
				if err := f.loan.cover(cap(f.partial)); err != nil {
					return err
				}
				// it may end with a part of what ends a message
				longest := f.most + int64(len(end)) - 1
				if f.framing.Kind == FrameLine && p[len(p)-1] == '\r' {
					longest++
				}
				if int64(len(f.partial)) > longest {
					return tooBig
				}
				return nil
			}
			n += len(end)
		}
		message := p[:n]
		if len(f.partial) > 0 {
			message = append(f.partial, message...)
			f.partial = nil
			if err := f.loan.cover(cap(message)); err != nil {
				return err
			}
		} else {
			message = bytes.Clone(message)
		}
		p = p[n:]
		message = message[:len(message)-len(end)]
		if f.framing.Kind == FrameLine {
			message = bytes.TrimSuffix(message, []byte("\r"))
		}
		if int64(len(message)) > f.most {
			return tooBig
		}
		if err := to.take(message); err != nil {
			return err
		}
	}
	return nil
}

// seam is how many bytes of p complete an end that began before it; -1 if none does.
func (f *framer) seam(p []byte, end string) int {
	before := min(len(f.partial), len(end)-1)
	if before == 0 {
		return -1
	}
	var both [128]byte
	joined := append(append(both[:0], f.partial[len(f.partial)-before:]...), p[:min(len(p), len(end)-1)]...)
	if i := bytes.Index(joined, []byte(end)); i >= 0 {
		return i + len(end) - before
	}
	return -1
}

func (f *framer) feedLengths(p []byte, to frameTaker) error {
	for len(p) > 0 {
		if !f.begun {
			width := f.framing.width()
			n := copy(f.head[f.headed:width], p)
			f.headed += uint8(n)
			p = p[n:]
			if int(f.headed) < width {
				return nil
			}
			want := int64(binary.BigEndian.Uint16(f.head[:]))
			if width == 4 {
				want = int64(binary.BigEndian.Uint32(f.head[:]))
			}
			if want > f.most {
				return tooBig
			}
			f.want, f.begun, f.headed = int(want), true, 0
		}
		n := min(f.want-len(f.partial), len(p))
		if n < f.want && f.partial == nil {
			f.partial = make([]byte, 0, min(f.want, firstPart)) // what a client says is not believed before it comes
		}
		f.partial = append(f.partial, p[:n]...)
		p = p[n:]
		if err := f.loan.cover(cap(f.partial)); err != nil {
			return err
		}
		if err := f.whole(to); err != nil {
			return err
		}
	}
	return nil
}

// firstPart is how much room a message gets before any of it has come.
const firstPart = 16 << 10

// whole gives the message on if that was the last of it.
func (f *framer) whole(to frameTaker) error {
	if len(f.partial) < f.want {
		return nil
	}
	message := f.partial
	f.partial, f.begun, f.want = nil, false, 0
	return to.take(message)
}

// room is where the next bytes of a large message can be read to; nil if there is no such message. took says how many
// came.
func (f *framer) room() ([]byte, error) {
	left := f.want - len(f.partial)
	if !f.begun || left < readSize {
		return nil, nil
	}
	if cap(f.partial)-len(f.partial) < readSize {
		f.partial = slices.Grow(f.partial, min(left, max(len(f.partial), readSize)))
		if err := f.loan.cover(cap(f.partial)); err != nil {
			return nil, err
		}
	}
	return f.partial[len(f.partial):min(cap(f.partial), f.want)], nil
}

func (f *framer) took(n int, to frameTaker) error {
	f.partial = f.partial[:len(f.partial)+n]
	return f.whole(to)
}

// messagesIn is how many messages may come to their end with the next n bytes.
func (f *framer) messagesIn(n int) int {
	least := f.most
	if f.framing.Kind != FrameRaw {
		least = int64(f.framing.width() + len(f.framing.end()))
	}
	return n/int(least) + 1
}

// weighty says whether the next n bytes may need memory on loan, for which there may be a wait.
func (f *framer) weighty(n int) bool { return f.loan.lent > 0 || len(f.partial)+n > lightSize }

// unfinished says whether a message has begun and not ended.
func (f *framer) unfinished() bool { return len(f.partial) > 0 || f.begun || f.headed > 0 }

// drop forgets what has begun.
func (f *framer) drop() {
	f.partial, f.begun, f.want, f.headed = nil, false, 0, 0
	f.loan.repay()
}
