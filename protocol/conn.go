// Conn: one end of a link over a reader and a writer, for the host and for a worker alike.

package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
)

// Conn reads and sends frames. One goroutine may read; any number may send at the same time.
type Conn struct {
	r     io.Reader
	out   *outbox
	limit int

	// the reader's own
	buf        []byte
	start, end int
}

const (
	firstBuffer = 16 << 10
	keepBuffer  = 256 << 10
)

// NewConn makes an end of a link. If w is a [TryWriter], small frames are written by the goroutine that sends them.
// The frame limit is [MaxFrame] until SetLimit.
func NewConn(r io.Reader, w io.Writer) *Conn {
	return &Conn{r: r, out: newOutbox(w), limit: MaxFrame}
}

// SetLimit sets the longest payload to accept, in bytes, as HELLO stated it. It belongs to the reading goroutine.
func (c *Conn) SetLimit(max int) { c.limit = max }

// Cork holds back what is sent until Uncork, so that several frames go in one write. Pairs do not nest.
func (c *Conn) Cork() { c.out.cork() }

// Uncork writes or queues what was held back, like Send.
func (c *Conn) Uncork() error { return c.out.uncork() }

// Buffered says whether a whole frame has been read already, so that the next Read does not wait. It belongs to the
// reading goroutine.
func (c *Conn) Buffered() bool {
	_, used, err := Split(c.buf[c.start:c.end], c.limit)
	return used > 0 || err != nil
}

// Send queues or writes m and never waits for the peer. An error sticks: the pipe has broken, or the peer has left
// more than 1 MiB of control frames unread.
func (c *Conn) Send(m Message) error { return c.out.send(m) }

// SendCounted is Send that also says where m ends among all bytes sent, as [Conn.Sent] counts them; but not for a
// message that overtakes others.
func (c *Conn) SendCounted(m Message) (end int64, err error) { return c.out.put(m) }

// Flush waits until everything that was sent has been written, and returns the pipe's error if it broke.
func (c *Conn) Flush() error { return c.out.wait() }

// FlushTo is Flush for what was sent up to end, which SendCounted gave.
func (c *Conn) FlushTo(end int64) error { return c.out.waitFor(end) }

// Read returns the next frame's payload, which is valid until the next Read. At the end of the stream it returns
// io.EOF between frames, io.ErrUnexpectedEOF within one. What is not a frame is a [*LinkError].
func (c *Conn) Read() (payload []byte, err error) {
	for {
		payload, used, err := Split(c.buf[c.start:c.end], c.limit)
		if err != nil {
			return nil, err
		}
		if used > 0 {
			c.start += used
			return payload, nil
		}
		if err := c.fill(); err != nil {
			if err == io.EOF && c.end > c.start {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// fill reads once more, making room first. The buffer grows with what has really come, not with what a length claims.
func (c *Conn) fill() error {
	switch {
	case c.start == c.end:
		c.start, c.end = 0, 0
		if c.buf == nil || len(c.buf) > keepBuffer {
			c.buf = make([]byte, firstBuffer)
		}
	case c.end == len(c.buf):
		if c.start > 0 {
			c.end = copy(c.buf, c.buf[c.start:c.end])
			c.start = 0
		} else {
			bigger := make([]byte, 2*len(c.buf))
			copy(bigger, c.buf[:c.end])
			c.buf = bigger
		}
	}
	n, err := c.r.Read(c.buf[c.end:])
	c.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// ReadMagic consumes everything up to and including the magic (SPEC.md §1.2). What came before it is returned, for the
// log. More than [MaxStray] bytes of it, a frame in its place, or an end, is an error.
func (c *Conn) ReadMagic() (stray []byte, err error) {
	for {
		have := c.buf[c.start:c.end]
		if len(stray) == 0 && c.bare(have) {
			first := Type(have[lengthSize+1])
			return nil, noMagic("the magic before the first frame",
				"frames without the magic, beginning with "+first.String())
		}
		if i := bytes.Index(have, []byte(Magic)); i >= 0 {
			stray = append(stray, have[:i]...)
			c.start += i + len(Magic)
			if len(stray) > MaxStray {
				return stray, tooMuchStray(stray)
			}
			return stray, nil
		}
		keep := min(len(have), len(Magic)-1) // the magic's beginning, perhaps
		stray = append(stray, have[:len(have)-keep]...)
		c.start = c.end - keep
		if len(stray) > MaxStray {
			return stray, tooMuchStray(stray)
		}
		if err := c.fill(); err != nil {
			stray = append(stray, c.buf[c.start:c.end]...)
			if len(stray) > 0 && errors.Is(err, io.EOF) {
				err = noMagic("the worker's magic", "other output and then the end", stray...)
			}
			return stray, err
		}
	}
}

func tooMuchStray(stray []byte) error {
	return noMagic("the worker's magic within "+strconv.Itoa(MaxStray)+" bytes", "other output", stray...)
}

func noMagic(want, got string, stray ...byte) error {
	return &LinkError{Expected: want, Got: got, Section: "1.2", NoFrame: len(stray) > 0, Bytes: clip(stray)}
}

// bare says that b, the first of a worker's output, is a frame that a worker may begin with, and no text: its author
// does not know of the magic.
func (c *Conn) bare(b []byte) bool {
	if len(b) < lengthSize+2 || b[lengthSize]&0xf0 != 0x90 {
		return false
	}
	n := binary.BigEndian.Uint32(b)
	switch t := Type(b[lengthSize+1]); t {
	case TypeReady, TypeFailed, TypeLog:
		return n > 0 && uint64(n) <= uint64(c.limit)
	}
	return false
}

// Accept is the worker's end of the handshake up to HELLO (SPEC.md §3): it writes the magic and waits for HELLO. If no
// version fits it sends FAILED and returns an error. The caller then loads its code and sends [Ready] or [Failed].
func (c *Conn) Accept() (*Hello, error) {
	if err := c.Send(magic{}); err != nil {
		return nil, err
	}
	payload, err := c.Read()
	if err != nil {
		return nil, err
	}
	hello := new(Hello)
	if err := hello.Parse(payload); err != nil {
		return nil, err
	}
	for _, v := range hello.Versions {
		if v == Version {
			c.SetLimit(hello.MaxFrame)
			return hello, nil
		}
	}
	mismatch := versionError(hello.Versions)
	_ = c.Send(&Failed{Message: mismatch.Error()}) // the pipe may be gone: the mismatch is the news
	_ = c.Flush()
	return nil, mismatch
}

// magic is the eight bytes in the guise of a frame, so that they take the same way out.
type magic struct{}

func (magic) Type() Type                  { return TypeHello }
func (magic) AppendFrame(b []byte) []byte { return append(b, Magic...) }
