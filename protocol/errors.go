// Errors of a link: what was expected, what came.

package protocol

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// LinkError says that the two ends of a link disagree (SPEC.md §9.1). It ends the link.
type LinkError struct {
	Expected string // what SPEC.md asks for at this place
	Got      string // what came instead
	Bytes    []byte // the first bytes of it, if that helps; at most 256
}

// Error shows Bytes as text where they are text, since that is what a stray print looks like.
func (e *LinkError) Error() string {
	s := "expected " + e.Expected + ", got " + e.Got
	if len(e.Bytes) > 0 {
		s += ": " + showBytes(e.Bytes)
	}
	return s
}

const maxShown = 256

func clip(b []byte) []byte {
	if len(b) > maxShown {
		b = b[:maxShown]
	}
	return append([]byte(nil), b...)
}

// showBytes gives text as a quoted string and anything else as hex.
func showBytes(b []byte) string {
	text := 0
	for _, c := range b {
		if c >= 0x20 && c < 0x7f || c == '\n' || c == '\r' || c == '\t' || c >= utf8.RuneSelf {
			text++
		}
	}
	if text*10 >= len(b)*9 {
		return "text " + strconv.Quote(strings.ToValidUTF8(string(b), "\uFFFD"))
	}
	return fmt.Sprintf("bytes % x", b)
}
