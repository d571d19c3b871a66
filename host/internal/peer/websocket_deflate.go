// permessage-deflate (RFC 7692), without context takeover either way: a message is compressed by itself, so that a
// broadcast is compressed once, and an idle connection holds no window.

package peer

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/workerhost/workerhost/protocol"
)

// deflateFrom is the size from which a message is compressed: below it little is saved.
const deflateFrom = 512

// wsEncoding is how messages look to the other end: compressed if it agreed to that.
type wsEncoding struct {
	deflate bool
	role    role
}

// Append implements hub.Encoding: it appends a message as one frame.
func (e wsEncoding) Append(b, data []byte, binary bool) []byte {
	op := ws.OpText
	if binary {
		op = ws.OpBinary
	}
	if e.deflate && len(data) >= deflateFrom {
		c := deflaters.Get().(*deflater)
		defer deflaters.Put(c)
		if small := c.deflate(data); len(small) < len(data) {
			return e.role.appendFrame(b, op, true, small)
		}
	}
	if b == nil {
		size := ws.MaxHeaderSize - 4 + len(data)
		if e.role == asClient {
			size += 4
		}
		b = make([]byte, 0, size)
	}
	return e.role.appendFrame(b, op, false, data)
}

// deflater is heavy: there are as many as are at work.
type deflater struct {
	to bytes.Buffer
	w  *flate.Writer
}

var deflaters = sync.Pool{New: func() any {
	c := new(deflater)
	c.w, _ = flate.NewWriter(&c.to, flate.BestSpeed) // the level is valid
	return c
}}

// deflate returns data compressed, until its next use.
func (c *deflater) deflate(data []byte) []byte {
	if c.to.Cap() > 1<<20 {
		c.to = bytes.Buffer{}
	}
	c.to.Reset()
	c.w.Reset(&c.to)
	c.w.Write(data) // a bytes.Buffer takes all
	c.w.Flush()
	return bytes.TrimSuffix(c.to.Bytes(), []byte{0, 0, 0xff, 0xff}) // RFC 7692 §7.2.1
}

type inflater struct {
	from bytes.Reader
	r    io.ReadCloser
}

var inflaters = sync.Pool{New: func() any {
	c := new(inflater)
	c.r = flate.NewReader(&c.from)
	return c
}}

// inflate gives the message that data, which it may append to, is the compressed form of; at most so many bytes. The
// loan covers data, and then what it gives.
func inflate(data []byte, most int64, loan *loan) ([]byte, error) {
	c := inflaters.Get().(*inflater)
	defer inflaters.Put(c)
	data = append(data, 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff) // the tail that was taken off, and an end
	c.from.Reset(data)
	defer c.from.Reset(nil)
	c.r.(flate.Resetter).Reset(&c.from, nil) // can't fail
	var out []byte
	for {
		if len(out) == cap(out) {
			size := int(min(most+1, int64(max(3*len(data), 2*len(out)))))
			if err := loan.cover(cap(data) + size); err != nil {
				return nil, err
			}
			out = append(make([]byte, 0, size), out...)
		}
		n, err := c.r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case int64(len(out)) > most:
			return nil, tooBig
		case err == io.EOF:
			loan.trim(cap(out))
			return out, nil
		case err != nil:
			return nil, &breach{protocol.CloseNotText, "the compressed data is damaged"}
		}
	}
}

// fullWindow is how far back what we compress may point, as a power of two: Go's compressor knows no smaller one.
const fullWindow = 15

// AgreeOnDeflate chooses among a client's offers, and returns what the answer says of it; "" if there is none that we
// can meet (RFC 7692 §5.1).
func AgreeOnDeflate(offers []string) (answer string) {
	for _, list := range offers {
		options, ok := httphead.ParseOptions([]byte(list), nil)
		if !ok {
			return ""
		}
		for _, offer := range options {
			var wanted wsflate.Parameters
			if string(offer.Name) != wsflate.ExtensionName || wanted.Parse(offer) != nil {
				continue // an offer with parameters that we do not know is declined
			}
			answer := wsflate.ExtensionName + "; server_no_context_takeover; client_no_context_takeover"
			switch wanted.ServerMaxWindowBits {
			case 0:
				return answer
			case fullWindow:
				return answer + "; server_max_window_bits=15" // whoever accepts it says so (§7.1.2.1)
			}
		}
	}
	return ""
}
