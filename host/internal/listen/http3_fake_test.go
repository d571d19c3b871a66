// A client of HTTP/3 that says what no well-behaved one would: frames and fields as a test spells them (RFC 9114 §7,
// RFC 9204).

package listen

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

type h3client struct {
	*quic.Conn
	t       testing.TB
	control *quic.SendStream
}

func h3TLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: "one.test", NextProtos: []string{"h3"},
		VerifyConnection: func(tls.ConnectionState) error {
			meet()
			return nil
		}}
}

// dialH3 opens a connection, with its control stream and empty SETTINGS.
func (h *house) dialH3() *h3client {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	q, err := quic.DialAddr(ctx, h.address, h3TLS(), &quic.Config{KeepAlivePeriod: 5 * time.Second})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { q.CloseWithError(0x100, "") })
	c := &h3client{Conn: q, t: h.t}
	if c.control, err = q.OpenUniStream(); err != nil {
		h.t.Fatal(err)
	}
	c.control.Write(append([]byte{0}, h3frame(4, nil)...))
	return c
}

func h3frame(kind uint64, payload []byte) []byte {
	return append(quicvarint.Append(quicvarint.Append(nil, kind), uint64(len(payload))), payload...)
}

// h3block is a header block of names and values.
func h3block(fields ...string) []byte {
	var b bytes.Buffer
	e := qpack.NewEncoder(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		e.WriteField(qpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return b.Bytes()
}

func h3get(more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "https", ":authority", "one.test", ":path", "/"}, more...)
}

// begin sends bytes on a stream of their own.
func (c *h3client) begin(b []byte) *quic.Stream {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	s.SetDeadline(time.Now().Add(20 * time.Second))
	s.Write(b)
	return s
}

// ask sends a request without a body.
func (c *h3client) ask(fields ...string) *quic.Stream {
	c.t.Helper()
	s := c.begin(h3frame(1, h3block(fields...)))
	s.Close()
	return s
}

// answer reads the whole of an answer: its final head, and its body. Without one it is an error.
func answer(s *quic.Stream) (head http.Header, body []byte, err error) {
	all, err := io.ReadAll(s)
	if err != nil {
		return nil, nil, err
	}
	for r := bytes.NewReader(all); r.Len() > 0; {
		kind, _ := quicvarint.Read(r)
		length, _ := quicvarint.Read(r)
		payload := make([]byte, length)
		if _, err := io.ReadFull(r, payload); err != nil {
			return nil, nil, err
		}
		switch kind {
		case 0:
			body = append(body, payload...)
		case 1:
			if head.Get(":status") != "" && !strings.HasPrefix(head.Get(":status"), "1") {
				break // trailers
			}
			head = http.Header{}
			next := qpack.NewDecoder().Decode(payload)
			for f, err := next(); err == nil; f, err = next() {
				head[f.Name] = append(head[f.Name], f.Value)
			}
		}
	}
	if head == nil {
		return nil, nil, errors.New("no head")
	}
	return head, body, nil
}

// status is that of the answer, or the code with which the stream was reset.
func status(s *quic.Stream) string {
	head, _, err := answer(s)
	var reset *quic.StreamError
	switch {
	case errors.As(err, &reset):
		return http3.ErrCode(reset.ErrorCode).String()
	case err != nil:
		return err.Error()
	}
	return strings.Join(head[":status"], " ")
}
