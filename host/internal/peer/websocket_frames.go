// WebSocket's frames, one way and the other (RFC 6455 §5): from the bytes of the other end to whole messages, and from
// a message to the bytes of a frame. Nothing here does I/O, so that a test can cut the bytes wherever it likes.

package peer

import (
	"crypto/rand"
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/protocol"
)

// frameSink takes what frames put together. An error ends the reading, and feed returns it.
type frameSink interface {
	// message takes a whole message, and keeps data.
	message(data []byte, binary bool) error
	// control takes a ping or a pong; payload is valid during the call.
	control(op ws.OpCode, payload []byte) error
	// leave takes the client's close frame; code is protocol.CloseNoCode if it has none.
	leave(code int, reason string) error
	// mostMessage is the size that a message may have, in bytes.
	mostMessage() int64
}

// role is which end of a WebSocket the host is. What a client sends is masked, and nothing else is (RFC 6455 §5.1).
type role bool

const (
	asServer role = false
	asClient role = true
)

// frames puts the other end's messages together. It keeps only what has come of the frame and the message at hand.
type frames struct {
	role    role
	deflate bool // permessage-deflate was agreed on

	head [ws.MaxHeaderSize]byte
	have int // bytes of head that have come

	// of the frame whose payload is due
	inside bool
	op     ws.OpCode // of a continuation, too: OpContinuation
	fin    bool
	mask   [4]byte
	passed int64 // bytes of the payload that have come
	left   int64 // bytes that have not

	// of the message at hand
	fragmented bool // a frame of it has come, and its last one has not
	binary     bool
	compressed bool
	data       []byte
	checked    int  // bytes of data that are known to be UTF-8
	loan       loan // for data

	partial []byte // the part of a control frame's payload that has come
}

const (
	// eagerSize is how much is set aside on a client's word that as much will come.
	eagerSize = 64 << 10
	// straightSize is how much of a frame has to be due for it to be read right into the message.
	straightSize = 4 << 10
)

// feed takes what has come, and overwrites it.
func (f *frames) feed(p []byte, to frameSink) error {
	for len(p) > 0 {
		if !f.inside {
			need := headSize(f.head[:f.have])
			n := copy(f.head[f.have:need], p)
			f.have += n
			p = p[n:]
			if f.have < need || headSize(f.head[:f.have]) > f.have {
				continue
			}
			if err := f.enter(to); err != nil {
				return err
			}
			if f.left > 0 {
				continue
			}
		}
		n := min(f.left, int64(len(p)))
		if err := f.payload(p[:n], to); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// headSize is how many bytes a frame's head has, as far as b tells.
func headSize(b []byte) int {
	if len(b) < ws.MinHeaderSize {
		return ws.MinHeaderSize
	}
	n := ws.MinHeaderSize
	switch b[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// header reads a whole head.
func header(b []byte) (h ws.Header, err error) {
	h = ws.Header{Fin: b[0]&0x80 != 0, Rsv: b[0] & 0x70 >> 4, OpCode: ws.OpCode(b[0] & 0x0f), Masked: b[1]&0x80 != 0}
	if h.Masked {
		copy(h.Mask[:], b[len(b)-4:])
	}
	switch short := b[1] & 0x7f; short {
	case 126:
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
		if h.Length < 126 {
			return h, misuse("a frame's length takes more bytes than it needs")
		}
	case 127:
		n := binary.BigEndian.Uint64(b[2:])
		if n>>63 != 0 || n <= 0xffff {
			return h, misuse("a frame's length is malformed")
		}
		h.Length = int64(n)
	default:
		h.Length = int64(short)
	}
	return h, nil
}

const rsv1 = 4 // as in ws.Header: the message is compressed (RFC 7692 §6)

// enter takes the head at hand.
func (f *frames) enter(to frameSink) error {
	h, err := header(f.head[:f.have])
	f.have = 0
	if err != nil {
		return err
	}
	compressed := f.deflate && h.Rsv&rsv1 != 0
	if compressed {
		if h.OpCode != ws.OpText && h.OpCode != ws.OpBinary {
			return misuse("a frame that can't be compressed is marked as compressed")
		}
		h.Rsv &^= rsv1
	}
	state := ws.StateServerSide
	if f.role == asClient {
		state = ws.StateClientSide
	}
	if f.fragmented {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return misuse(err.Error())
	}
	f.op, f.fin, f.mask, f.passed, f.left, f.inside = h.OpCode, h.Fin, h.Mask, 0, h.Length, true
	if h.OpCode.IsControl() {
		return nil
	}
	if h.OpCode != ws.OpContinuation {
		f.fragmented, f.binary, f.compressed, f.checked = true, h.OpCode == ws.OpBinary, compressed, 0
	}
	most := to.mostMessage()
	if f.compressed {
		most += most/128 + 64 // what does not compress grows a little
	}
	if h.Length > most-int64(len(f.data)) {
		return tooBig
	}
	if h.Length <= eagerSize && f.data == nil {
		f.data = make([]byte, 0, h.Length)
	}
	return nil
}

// payload takes the next bytes of the frame at hand, which are not more than it has left.
func (f *frames) payload(p []byte, to frameSink) error {
	whole := int64(len(p)) == f.left
	f.unmask(p)
	f.passed += int64(len(p))
	f.left -= int64(len(p))
	switch {
	case !f.op.IsControl():
		f.data = append(f.data, p...)
		if err := f.loan.cover(cap(f.data)); err != nil {
			return err
		}
		if whole {
			return f.endData(to)
		}
		return f.checkText(false)
	case !whole:
		f.partial = append(f.partial, p...)
	default:
		if len(f.partial) > 0 {
			p = append(f.partial, p...)
		}
		f.partial, f.inside = nil, false
		if f.op == ws.OpClose {
			return leave(p, to)
		}
		return to.control(f.op, p)
	}
	return nil
}

// room is where the next bytes may be read to, if so many are due that it is worth while; took has to follow. It is
// nil otherwise.
func (f *frames) room() ([]byte, error) {
	if !f.inside || f.left < straightSize || f.op.IsControl() {
		return nil, nil
	}
	n := len(f.data)
	if cap(f.data)-n < straightSize {
		size := max(2*n, eagerSize)
		if size-n < straightSize {
			size = n + straightSize
		}
		size = int(min(int64(size), int64(n)+f.left))
		if err := f.loan.cover(size); err != nil {
			return nil, err
		}
		grown := make([]byte, n, size)
		copy(grown, f.data)
		f.data = grown
	}
	return f.data[n:min(int64(cap(f.data)), int64(n)+f.left)], nil
}

// weighty says whether the next n bytes may need memory on loan, for which there may be a wait, or be much work.
func (f *frames) weighty(n int) bool {
	return f.deflate || f.loan.lent > 0 || len(f.data)+n > lightSize
}

// drop forgets the message at hand.
func (f *frames) drop() {
	f.data = nil
	f.loan.repay()
}

// took says that n bytes were read to room.
func (f *frames) took(n int, to frameSink) error {
	from := len(f.data)
	f.data = f.data[:from+n]
	f.unmask(f.data[from:])
	f.passed += int64(n)
	if f.left -= int64(n); f.left == 0 {
		return f.endData(to)
	}
	return f.checkText(false)
}

// unmask takes the mask off the next bytes of a payload.
func (f *frames) unmask(p []byte) {
	if f.role == asServer {
		ws.Cipher(p, f.mask, int(f.passed&3))
	}
}

// least is how many bytes a frame of the other end has at least.
func (f *frames) least() int {
	if f.role == asClient {
		return ws.MinHeaderSize
	}
	return ws.MinHeaderSize + len(f.mask)
}

var notText = &breach{protocol.CloseNotText, "the text is not UTF-8"}

// checkText finds the first byte that no text can have (RFC 6455 §8.1), as soon as it has come; whole says that no
// more will come. What a compressed text says is known at its end.
func (f *frames) checkText(whole bool) error {
	if f.binary || f.compressed {
		return nil
	}
	p := f.data[f.checked:]
	n := len(p)
	for i := n - 1; !whole && i >= max(0, n-utf8.UTFMax); i-- { // a character that goes on behind the end
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:]) {
				n = i
			}
			break
		}
	}
	if !utf8.Valid(p[:n]) {
		return notText
	}
	f.checked += n
	return nil
}

// endData is reached at the end of a data frame.
func (f *frames) endData(to frameSink) error {
	f.inside = false
	if err := f.checkText(f.fin); err != nil || !f.fin {
		return err
	}
	data := f.data
	f.data, f.fragmented = nil, false
	if f.compressed {
		var err error
		if data, err = inflate(data, to.mostMessage(), &f.loan); err != nil {
			return err
		}
		if !f.binary && !utf8.Valid(data) {
			return notText
		}
	}
	return to.message(data, f.binary)
}

// leave reads a close frame (RFC 6455 §5.5.1, §7.4).
func leave(p []byte, to frameSink) error {
	switch {
	case len(p) == 0:
		return to.leave(protocol.CloseNoCode, "")
	case len(p) == 1:
		return misuse("a close frame with half a code")
	}
	code, reason := int(binary.BigEndian.Uint16(p)), string(p[2:])
	if !sendableCode(code) {
		return misuse("a close frame with a code that must not be sent")
	}
	if !utf8.ValidString(reason) {
		return &breach{protocol.CloseNotText, "the reason is not UTF-8"}
	}
	return to.leave(code, reason)
}

// sendableCode says whether a code may stand in a close frame.
func sendableCode(code int) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

// appendFrame appends a frame of ours, which is whole.
func (r role) appendFrame(b []byte, op ws.OpCode, compressed bool, payload []byte) []byte {
	first, masked, size := 0x80|byte(op), byte(0), len(payload)
	if compressed {
		first |= rsv1 << 4
	}
	if r == asClient {
		masked = 0x80
	}
	switch {
	case size < 126:
		b = append(b, first, masked|byte(size))
	case size <= 0xffff:
		b = append(b, first, masked|126, byte(size>>8), byte(size))
	default:
		b = binary.BigEndian.AppendUint64(append(b, first, masked|127), uint64(size))
	}
	if r == asServer {
		return append(b, payload...)
	}
	var mask [4]byte
	rand.Read(mask[:]) // never fails
	b = append(b, mask[:]...)
	from := len(b)
	b = append(b, payload...)
	ws.Cipher(b[from:], mask, 0)
	return b
}

// controlFrame is a ping, a pong or a close frame of ours.
func (r role) controlFrame(op ws.OpCode, payload []byte) []byte {
	return r.appendFrame(make([]byte, 0, 6+len(payload)), op, false, payload)
}

// closeFrame takes leave. A code that must not be sent stands for none.
func (r role) closeFrame(code int, reason string) []byte {
	if !sendableCode(code) {
		return r.controlFrame(ws.OpClose, nil)
	}
	for len(reason) > ws.MaxControlFramePayloadSize-2 {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	return r.controlFrame(ws.OpClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}
