// Chunked bodies (RFC 9112 §7.1), which net/http reads more leniently than others do: blanks behind a size, anything
// in an extension, folded trailers.

package listen

import (
	"bytes"

	"github.com/workerhost/workerhost/host/internal/http1"
)

// longestChunkLine is net/http's limit, too.
const longestChunkLine = 4 << 10

// chunk takes the line before a chunk.
func (s *scanner) chunk(b []byte) string {
	const digits = 15 // as many as an int64 surely holds
	n, size := 0, int64(0)
	for ; n < len(b) && n <= digits; n++ {
		d, ok := hexValue(b[n])
		if !ok {
			break
		}
		size = size<<4 | d
	}
	if n == 0 || n > digits {
		return "a chunk size that is no hexadecimal number of 1 to 15 digits"
	}
	if wrong := chunkExtensions(b[n:]); wrong != "" {
		return wrong
	}
	if s.left = size; size == 0 {
		s.state = trailerLines
	} else {
		s.state = chunkBytes
	}
	return ""
}

func hexValue(c byte) (int64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0'), true
	case c >= 'a' && c <= 'f':
		return int64(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return int64(c-'A') + 10, true
	}
	return 0, false
}

// chunkExtensions takes what follows a size: any number of ";name" or ";name=value", with blanks around each ";" and
// "=", and nowhere else.
func chunkExtensions(b []byte) (wrong string) {
	for len(b) > 0 {
		if b = skipBlanks(b); len(b) == 0 || b[0] != ';' {
			return "something other than an extension behind a chunk size"
		}
		n := http1.TokenLength(skipBlanks(b[1:]))
		if n == 0 {
			return "a chunk extension without a name"
		}
		b = skipBlanks(b[1:])[n:]
		value := skipBlanks(b)
		if len(value) == 0 || value[0] != '=' {
			continue
		}
		value = skipBlanks(value[1:])
		if n = http1.TokenLength(value); n == 0 {
			if n = quotedLength(value); n == 0 {
				return "a chunk extension whose value is no token and no string in quotes"
			}
		}
		b = value[n:]
	}
	return ""
}

func skipBlanks(b []byte) []byte { return bytes.TrimLeft(b, " \t") }

// quotedLength is the length of the quoted string that b begins with (RFC 9110 §5.6.4); 0 if there is none.
func quotedLength(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
	for i := 1; i < len(b); i++ {
		if c := b[i]; c == '"' {
			return i + 1
		} else if c == '\\' {
			i++
		}
		if i < len(b) && (b[i] < ' ' && b[i] != '\t' || b[i] == 0x7f) {
			return 0
		}
	}
	return 0
}

// trailer takes a line behind the last chunk. What would say where a body ends has no place there (RFC 9110 §6.5.1).
func (s *scanner) trailer(b []byte) string {
	if len(b) == 0 {
		s.state = anything // the handler closes the connection after this one
		return ""
	}
	lengths, codings := s.lengths, s.codings
	switch wrong := s.header(b); {
	case wrong != "":
		return wrong
	case s.lengths > lengths:
		return "a trailer named Content-Length"
	case s.codings > codings:
		return "a trailer named Transfer-Encoding"
	}
	return ""
}
