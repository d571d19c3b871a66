// Errors of a link: what was expected, what came.

package protocol

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
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

// showBytes gives text as a quoted string and anything else as hex. A few odd bytes, or a rune cut off at the end, do not make text unreadable.
func showBytes(b []byte) string {
	text := 0
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if unicode.IsPrint(r) && r != utf8.RuneError || r == '\n' || r == '\r' || r == '\t' || r == '\ufeff' {
			text += size
		}
		i += size
	}
	if text*10 >= len(b)*9 {
		return "text " + strconv.Quote(strings.ToValidUTF8(string(b), "\uFFFD"))
	}
	return fmt.Sprintf("bytes % x", b)
}
