// The protocol's records (FastCGI 1.0 §3.3): written into a buffer, and read from a connection that is not trusted.

package fastcgi

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// The types of records. A request is aborted by the end of its connection, which PHP heeds, and not by ABORT_REQUEST.
const (
	typeRequest = 1
	typeEnd     = 3
	typeParams  = 4
	typeStdin   = 5
	typeStdout  = 6
	typeStderr  = 7
)

const (
	headerSize = 8
	maxContent = 65535
	roleAnswer = 1 // FCGI_RESPONDER
	flagKeep   = 1 // FCGI_KEEP_CONN
	requestID  = 1 // a connection has one request at a time
)

// appendHeader appends the header of a record with n bytes of content, and no padding.
func appendHeader(b []byte, kind byte, n int) []byte {
	return append(b, 1, kind, 0, requestID, byte(n>>8), byte(n), 0, 0)
}

// appendRequest opens a request.
func appendRequest(b []byte, keep bool) []byte {
	flags := byte(0)
	if keep {
		flags = flagKeep
	}
	return append(appendHeader(b, typeRequest, 8), 0, roleAnswer, flags, 0, 0, 0, 0, 0)
}

// appendEnd ends a stream.
func appendEnd(b []byte, kind byte) []byte { return appendHeader(b, kind, 0) }

// params writes the stream of PARAMS. PHP reads each record by itself: a pair that lies in two of them is the end of
// the connection.
type params struct {
	b    []byte
	open int // where the header of the last record is; -1: there is none yet
}

// add appends a pair, and says whether a record can hold it.
func (p *params) add(name, value string) bool {
	n := lengthSize(len(name)) + lengthSize(len(value)) + len(name) + len(value)
	if n > maxContent {
		return false
	}
	if p.open < 0 || len(p.b)-p.open-headerSize+n > maxContent {
		p.close()
		p.open = len(p.b)
		p.b = appendHeader(p.b, typeParams, 0)
	}
	p.b = appendPair(p.b, name, value)
	return true
}

// close writes the length of the last record.
func (p *params) close() {
	if p.open >= 0 {
		appendHeader(p.b[:p.open], typeParams, len(p.b)-p.open-headerSize)
	}
}

// end gives the stream with its end.
func (p *params) end() []byte {
	p.close()
	return appendEnd(p.b, typeParams)
}

func lengthSize(n int) int {
	if n < 128 {
		return 1
	}
	return 4
}

// appendPair appends a parameter (§3.4).
func appendPair(b []byte, name, value string) []byte {
	b = appendLength(appendLength(b, len(name)), len(value))
	return append(append(b, name...), value...)
}

func appendLength(b []byte, n int) []byte {
	if n < 128 {
		return append(b, byte(n))
	}
	return binary.BigEndian.AppendUint32(b, uint32(n)|1<<31)
}

// brokenError says that a server does not speak the protocol.
type brokenError struct{ what string }

func (e *brokenError) Error() string { return "the FastCGI server broke the protocol: " + e.what }

// records reads a server's records. What it gives is valid until the next one is read.
type records struct {
	r       *bufio.Reader
	content []byte
	padding int // of the last one, to be skipped
}

// readSize holds what a short page and its end come in.
const readSize = 32 << 10

func newRecords(r io.Reader) *records { return &records{r: bufio.NewReaderSize(r, readSize)} }

// next gives the next record of our request; those of others are an error, for there are none.
func (r *records) next() (kind byte, content []byte, err error) {
	if _, err := r.r.Discard(r.padding); err != nil {
		return 0, nil, unexpected(err)
	}
	r.padding = 0
	header, err := r.r.Peek(headerSize)
	if err != nil {
		if len(header) > 0 {
			err = unexpected(err)
		}
		return 0, nil, err
	}
	version, id := header[0], binary.BigEndian.Uint16(header[2:])
	kind = header[1]
	n, padding := int(binary.BigEndian.Uint16(header[4:])), int(header[6])
	if version != 1 {
		return 0, nil, &brokenError{fmt.Sprintf("no record of version 1, but %q", header)}
	}
	if id != requestID {
		return 0, nil, &brokenError{fmt.Sprintf("a record of type %d for request %d, which was never made", kind, id)}
	}
	r.r.Discard(headerSize) // it is buffered
	if cap(r.content) < n {
		r.content = make([]byte, n, max(n, 8<<10)) // at most 64 KiB
	}
	r.content, r.padding = r.content[:n], padding
	if _, err := io.ReadFull(r.r, r.content); err != nil {
		return 0, nil, unexpected(err)
	}
	return kind, r.content, nil
}

// more says whether something of the next record has come already.
func (r *records) more() bool { return r.r.Buffered() > r.padding }

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
