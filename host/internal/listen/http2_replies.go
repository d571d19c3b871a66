// The frames that net/http sends on an HTTP/2 connection, read along: what it refuses by itself has no handler that
// could tell of it.

package listen

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// replies are fed by whoever writes; one goroutine at a time does.
type replies struct {
	own atomic.Int64 // heads on their way from handlers whose status net/http could have sent as well

	mu sync.Mutex
	// guarded by mu
	frameReader
	payload []byte   // of RST_STREAM and GOAWAY, of header blocks until they end, and the beginning of refusals' pages
	refused []uint32 // streams whose 400 has gone and whose page, which says why, has not

	// As much of the dynamic table of header compression (RFC 7541 §2.3) as tells which status an index means.
	inserted int // fields, ever
	large    int // which of them says 431; 0 is none
}

// mayBeRefusal says whether net/http answers with the status without asking a handler.
func mayBeRefusal(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusRequestHeaderFieldsTooLarge
}

const (
	// mostRefused is how many pages may be awaited, of clients that leave them no room.
	mostRefused = 100
	longestPage = 512
)

// feed calls answered for each frame of an answer, with the bytes of its body, and refused for what net/http says that
// no handler does; status is that of the access log. end calls it for the last of that.
func (r *replies) feed(p []byte, answered func(bytes int), refused func(status int, reason string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(p) > 0 {
		before := r.left
		n, headed := r.next(p)
		piece := p[:n]
		p = p[n:]
		if headed {
			switch r.kind() {
			case typeData:
				answered(r.left)
			case typeHeaders:
				answered(0)
			}
		} else if before > 0 && r.heeded() {
			r.payload = append(r.payload, piece...)
		}
		if r.left == 0 && r.got == 0 && len(r.payload) > 0 {
			r.whole(refused)
		}
	}
}

func (r *replies) heeded() bool {
	switch r.kind() {
	case typeHeaders, typeContinuation, typeReset, typeGoAway:
		return true
	case typeData:
		return len(r.payload) < longestPage && slices.Contains(r.refused, r.stream())
	}
	return false
}

// whole takes a frame to whose payload nothing is missing.
func (r *replies) whole(refused func(status int, reason string)) {
	switch r.kind() {
	case typeReset:
		switch code := binary.BigEndian.Uint32(r.payload); {
		case !clientsFault(code):
		case code == streamClosed || code == flowControl: // the stream was begun, so its request has its line
		default:
			refused(http.StatusBadRequest,
				fmt.Sprintf("stream %d broke the rules of HTTP/2 (%s)", r.stream(), errorName(code)))
		}
	case typeData:
		r.refused = slices.DeleteFunc(r.refused, func(id uint32) bool { return id == r.stream() })
		refused(http.StatusBadRequest, strings.TrimSpace(string(r.payload)))
	case typeGoAway:
		if code := binary.BigEndian.Uint32(r.payload[4:]); clientsFault(code) {
			refused(400, fmt.Sprintf("the connection broke the rules of HTTP/2 (%s)", errorName(code)))
		}
	default:
		if r.flags()&flagEndHeaders == 0 {
			return
		}
		switch status := r.status(r.payload); {
		case !mayBeRefusal(status):
		case r.own.Add(-1) >= 0:
		default:
			r.own.Add(1)
			if status == http.StatusRequestHeaderFieldsTooLarge || len(r.refused) == mostRefused {
				refused(status, reasonOf(status, r.stream()))
				break
			}
			r.refused = append(r.refused, r.stream())
		}
	}
	r.payload = r.payload[:0]
}

// reasonOf is why a stream was refused whose page does not say.
func reasonOf(status int, stream uint32) string {
	if status == http.StatusRequestHeaderFieldsTooLarge {
		return largeHead
	}
	return fmt.Sprintf("a header of stream %d that HTTP/2 does not have", stream)
}

// end notes what is still to be noted: the connection is closed.
func (r *replies) end(refused func(status int, reason string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, stream := range r.refused {
		refused(http.StatusBadRequest, reasonOf(http.StatusBadRequest, stream))
	}
	r.refused = nil
}

// error codes (RFC 9113 §7)
const (
	flowControl  = 3
	streamClosed = 5
)

// clientsFault says whether an error code (RFC 9113 §7) blames the client, and is none that handlers send.
func clientsFault(code uint32) bool { return code != 0 && code != 2 && code != 8 }

var errorNames = map[uint32]string{
	1: "PROTOCOL_ERROR", 3: "FLOW_CONTROL_ERROR", 4: "SETTINGS_TIMEOUT", 5: "STREAM_CLOSED", 6: "FRAME_SIZE_ERROR",
	7: "REFUSED_STREAM", 9: "COMPRESSION_ERROR", 11: "ENHANCE_YOUR_CALM",
}

func errorName(code uint32) string {
	if name := errorNames[code]; name != "" {
		return name
	}
	return fmt.Sprint("error ", code)
}

// status reads a header block of ours, of which the first field is the status if it begins a response; 0 is one that
// is no refusal of net/http's.
func (r *replies) status(b []byte) (status int) {
	const badRequest, firstDynamic, nameOfStatus = 12, 62, 8 // in RFC 7541's appendix A
	for first := true; len(b) > 0; {
		var i int
		switch c := b[0]; {
		case c >= 0x80: // a field of the table
			if i, b = integer(b, 7); first && i == badRequest {
				status = http.StatusBadRequest
			} else if first && r.large > 0 && r.inserted-(i-firstDynamic) == r.large {
				status = http.StatusRequestHeaderFieldsTooLarge
			}
			first = false
		case c&0xe0 == 0x20: // the table's size
			_, b = integer(b, 5)
		default: // a field as it is, with a name of the table if i is not 0; it may become part of the table
			insert, bits := c&0xc0 == 0x40, 4
			if insert {
				r.inserted++
				bits = 6
			}
			if i, b = integer(b, bits); i == 0 {
				_, b = text(b)
			}
			var value []byte
			value, b = text(b)
			// Huffman's code makes it no shorter
			if i >= nameOfStatus && i < nameOfStatus+7 && string(value) == "431" {
				if insert {
					r.large = r.inserted
				}
				if first {
					status = http.StatusRequestHeaderFieldsTooLarge
				}
			}
			first = false
		}
	}
	return status
}

// integer reads a number whose first part is in the last bits of the first byte (RFC 7541 §5.1).
func integer(b []byte, bits int) (n int, rest []byte) {
	n = int(b[0]) & (1<<bits - 1)
	if n < 1<<bits-1 {
		return n, b[1:]
	}
	for i, shift := 1, 0; i < len(b) && shift < 28; i, shift = i+1, shift+7 {
		if n += int(b[i]&0x7f) << shift; b[i] < 0x80 {
			return n, b[i+1:]
		}
	}
	return n, nil
}

// text reads a string as it is coded (RFC 7541 §5.2).
func text(b []byte) (value, rest []byte) {
	if len(b) == 0 {
		return nil, nil
	}
	n, b := integer(b, 7)
	n = min(n, len(b))
	return b[:n], b[n:]
}
