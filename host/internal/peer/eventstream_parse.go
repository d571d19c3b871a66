// What a text/event-stream says (WHATWG HTML §9.2), and the body that it is in (RFC 9112 §7.1). Nothing here does I/O,
// so that a test can cut the bytes wherever it likes.

package peer

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/workerhost/workerhost/protocol"
)

// eventTaker is given what a stream says. An error ends the reading.
type eventTaker interface {
	// event takes a whole event, and keeps data. kind is "" where it names none; id is the last that was named.
	event(data []byte, kind, id string) error
	// pause takes what the other end wants to be left alone for, in milliseconds.
	pause(ms int64)
}

// eventParser finds the events in what comes, however that is cut into pieces. Between two events it holds no memory
// but the id.
type eventParser struct {
	most int64 // bytes of an event's data

	begun   bool   // anything has come: a byte order mark may only stand before
	cr      bool   // the last byte was CR, so that LF belongs to it
	comment bool   // the line at hand is one
	line    []byte // as far as it has come
	data    []byte
	any     bool // there is data, if of no bytes
	kind    string
	id      string // the last
	next    string // of the event at hand
	named   bool   // it has one
	loan    loan   // for line and data
}

// mostOfName is how many bytes the type and the id of an event may have.
const mostOfName = 4 << 10

var (
	byteOrderMark = []byte("\ufeff")
	errLongName   = &breach{protocol.ClosePolicy, "the type or the id of an event is too long"}
)

func (e *eventParser) size() int { return len(e.line) + len(e.data) }

// weighty says whether the next n bytes may need memory on loan.
func (e *eventParser) weighty(n int) bool { return e.loan.lent > 0 || e.size()+n > lightSize }

// drop forgets what has begun.
func (e *eventParser) drop() {
	e.line, e.data = nil, nil
	e.loan.repay()
}

// feed takes the next bytes, which stay the caller's.
func (e *eventParser) feed(p []byte, to eventTaker) error {
	for len(p) > 0 {
		if e.cr && p[0] == '\n' {
			e.cr, p = false, p[1:]
			continue
		}
		e.cr = false
		end := bytes.IndexAny(p, "\r\n")
		piece := p
		if end >= 0 {
			piece, p = p[:end], p[end:]
			e.cr = p[0] == '\r'
			p = p[1:]
		} else {
			p = nil
		}
		if len(e.line) == 0 && len(piece) > 0 && piece[0] == ':' {
			e.comment = true
		}
		if !e.comment {
			if err := e.add(piece); err != nil {
				return err
			}
		}
		if end < 0 {
			return nil
		}
		if err := e.take(to); err != nil {
			return err
		}
	}
	return nil
}

// add adds to the line at hand.
func (e *eventParser) add(piece []byte) error {
	const longestField = len("event: ") + len("\ufeff")
	if int64(e.size()+len(piece)) > e.most+int64(longestField) {
		return tooBig
	}
	e.line = append(e.line, piece...)
	return e.loan.cover(cap(e.line) + cap(e.data))
}

// take takes the line at hand, which is whole.
func (e *eventParser) take(to eventTaker) error {
	line, comment := e.line, e.comment
	e.line, e.comment = e.line[:0], false
	if !e.begun {
		e.begun = true
		if rest, marked := bytes.CutPrefix(line, byteOrderMark); marked {
			line, comment = rest, len(rest) > 0 && rest[0] == ':'
		}
	}
	switch {
	case comment:
		return nil
	case len(line) == 0:
		return e.dispatch(to)
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		if e.any {
			e.data = append(e.data, '\n')
		}
		e.data, e.any = append(e.data, value...), true
		if int64(len(e.data)) > e.most {
			return tooBig
		}
	case "event":
		if len(value) > mostOfName {
			return errLongName
		}
		e.kind = valid(value)
	case "id":
		if len(value) > mostOfName {
			return errLongName
		}
		if bytes.IndexByte(value, 0) < 0 {
			e.next, e.named = valid(value), true
		}
	case "retry":
		if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil && value[0] != '+' {
			to.pause(int64(ms))
		}
	}
	return e.loan.cover(cap(e.line) + cap(e.data))
}

// dispatch is what a blank line does.
func (e *eventParser) dispatch(to eventTaker) error {
	if e.named {
		e.id, e.named = e.next, false
	}
	data, kind, any := e.data, e.kind, e.any
	e.line, e.data, e.kind, e.any = nil, nil, "", false
	if !any {
		return nil
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\ufffd"))
	}
	return to.event(data, kind, e.id)
}

func valid(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	return string(bytes.ToValidUTF8(text, []byte("\ufffd")))
}

// body takes the chunks away.
type body struct {
	chunked bool
	left    int64 // bytes of the chunk at hand, or of the body; -1 is that it ends with the connection
	part    chunkPart
	size    int64 // that has come of a chunk's
	digits  int
	skipped int // bytes of extensions and trailers
	blank   bool
}

type chunkPart uint8

const (
	chunkSize chunkPart = iota // the number before a chunk
	chunkExtension
	chunkData
	chunkEnd // the line's end behind it
	chunkTrailer
)

var (
	errBodyOver = errors.New("the body has ended")
	errChunks   = &breach{protocol.CloseProtocol, "the chunks of the body make no sense"}
)

// mostSkipped is how many bytes of extensions and trailers there may be between two chunks.
const mostSkipped = 16 << 10

func (b *body) endsWithConnection() bool { return !b.chunked && b.left < 0 }

// feed has to called with what the body has. Behind it errBodyOver is returned.
func (b *body) feed(p []byte, to func([]byte) error) error {
	if !b.chunked {
		if b.left < 0 {
			return to(p)
		}
		n := min(int64(len(p)), b.left)
		b.left -= n
		if err := to(p[:n]); err != nil {
			return err
		}
		if b.left == 0 {
			return errBodyOver
		}
		return nil
	}
	for len(p) > 0 {
		if b.part == chunkData {
			n := min(int64(len(p)), b.left)
			if err := to(p[:n]); err != nil {
				return err
			}
			if b.left -= n; b.left == 0 {
				b.part = chunkEnd
			}
			p = p[n:]
			continue
		}
		if err := b.frame(p[0]); err != nil {
			return err
		}
		p = p[1:]
	}
	return nil
}

// frame takes a byte of what is around the chunks.
func (b *body) frame(c byte) error {
	switch b.part {
	case chunkSize:
		return b.number(c)
	case chunkExtension:
		if c == '\n' {
			return b.enter()
		}
		b.skipped++
	case chunkEnd:
		switch c {
		case '\n':
			b.part, b.skipped = chunkSize, 0
		case '\r':
			b.skipped++
		default:
			return errChunks
		}
	case chunkTrailer:
		switch {
		case c == '\n' && b.blank:
			return errBodyOver
		case c == '\n':
			b.blank = true
		case c != '\r':
			b.blank = false
		}
		b.skipped++
	}
	if b.skipped > mostSkipped {
		return errChunks
	}
	return nil
}

func (b *body) number(c byte) error {
	digit, err := strconv.ParseUint(string(rune(c)), 16, 8)
	switch {
	case err == nil && b.digits < 15:
		b.size, b.digits = b.size<<4|int64(digit), b.digits+1
	case b.digits == 0 || err == nil:
		return errChunks
	case c == '\n':
		return b.enter()
	case c == ';' || c == ' ' || c == '\t' || c == '\r':
		b.part = chunkExtension
	default:
		return errChunks
	}
	return nil
}

// enter begins a chunk, whose size has come.
func (b *body) enter() error {
	b.left, b.size, b.digits = b.size, 0, 0
	if b.part = chunkData; b.left == 0 {
		b.part, b.blank = chunkTrailer, true
	}
	return nil
}
