// How a message looks on a held response: as an event of a text/event-stream (WHATWG HTML §9.2), in chunks where
// HTTP/1.1 wants them.

package peer

import (
	"bytes"
	"strconv"
)

// heldEncoding implements hub.Encoding. The zero value leaves messages as they are.
type heldEncoding struct{ events, chunked bool }

// Append implements hub.Encoding. What has no bytes becomes no chunk, since that would be the end of the body.
func (e heldEncoding) Append(b, data []byte, binary bool) []byte {
	size := len(data)
	if e.events && !binary {
		size = eventSize(data)
	}
	if size == 0 {
		return b
	}
	if b == nil {
		b = make([]byte, 0, size+12)
	}
	b = e.opened(b, size)
	if e.events && !binary {
		b = appendEvent(b, data)
	} else {
		b = append(b, data...)
	}
	return e.closed(b)
}

// AppendPlaced implements hub.Placing: the position is the event's id, so that the reader says it when it comes back.
// What is BINARY is an event already, or several, of which the first one gets it. What is no stream of events has no
// place for it.
func (e heldEncoding) AppendPlaced(b []byte, event, position string, data []byte, binary bool) []byte {
	if !e.events {
		if event != "" {
			return b
		}
		return e.Append(b, data, binary)
	}
	head := ""
	if position != "" {
		head = "id: " + position + "\n"
	}
	if event != "" {
		head += "event: " + event + "\n"
	}
	size := len(head) + len(data)
	switch {
	case data == nil:
		size++
	case !binary:
		size = len(head) + eventSize(data)
	}
	b = append(e.opened(b, size), head...)
	switch {
	case data == nil:
		b = append(b, '\n')
	case binary:
		b = append(b, data...)
	default:
		b = appendEvent(b, data)
	}
	return e.closed(b)
}

// opened has a chunk of so many bytes opened, if there are chunks, and closed has it closed.
func (e heldEncoding) opened(b []byte, size int) []byte {
	if e.chunked {
		b = strconv.AppendInt(b, int64(size), 16)
		b = append(b, "\r\n"...)
	}
	return b
}

func (e heldEncoding) closed(b []byte) []byte {
	if e.chunked {
		b = append(b, "\r\n"...)
	}
	return b
}

// last is the end of a body.
func (e heldEncoding) last() []byte {
	if e.chunked {
		return []byte("0\r\n\r\n")
	}
	return nil
}

// heartbeat is a comment, which an event stream's reader ignores.
func (e heldEncoding) heartbeat() []byte {
	if e.chunked {
		return chunkedHeartbeat
	}
	return plainHeartbeat
}

var (
	plainHeartbeat   = []byte(":\n\n")
	chunkedHeartbeat = []byte("3\r\n:\n\n\r\n")
)

// appendEvent writes each line of a message as one of data, so that the reader puts the same lines together again, and
// a blank one, which dispatches the event.
func appendEvent(b, data []byte) []byte {
	for more := true; more; {
		var line []byte
		line, data, more = cutLine(data)
		b = append(b, "data: "...)
		b = append(b, line...)
		b = append(b, '\n')
	}
	return append(b, '\n')
}

func eventSize(data []byte) (n int) {
	for more := true; more; {
		var line []byte
		line, data, more = cutLine(data)
		n += len("data: ") + len(line) + 1
	}
	return n + 1
}

// cutLine cuts at CR, LF or CRLF; more says that there was one.
func cutLine(data []byte) (line, rest []byte, more bool) {
	i := bytes.IndexAny(data, "\r\n")
	if i < 0 {
		return data, nil, false
	}
	line, rest = data[:i], data[i+1:]
	if data[i] == '\r' && len(rest) > 0 && rest[0] == '\n' {
		rest = rest[1:]
	}
	return line, rest, true
}
