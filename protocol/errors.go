// Errors of a link: what was expected, what came.

package protocol

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// LinkError says that the two ends of a link disagree (SPEC.md §11.1). It ends the link.
type LinkError struct {
	Expected string // what SPEC.md asks for at this place
	Got      string // what came instead
	Section  string // of SPEC.md, without the sign: "5.3"; "" where none is to the point
	// what came is no frame at all, but something printed, perhaps; else a frame is not what it should be
	NoFrame bool
	Bytes   []byte // the first bytes of it, if that helps; at most 256
}

// Error shows Bytes as text where they are text, since that is what a stray print looks like.
func (e *LinkError) Error() string {
	s := "expected " + e.Expected + ", got " + e.Got
	if e.Section != "" {
		s += " (SPEC.md §" + e.Section + ")"
	}
	if len(e.Bytes) > 0 {
		s += ": " + showBytes(e.Bytes)
	}
	return s
}

// UnknownError says that a message is of a later version: by its type, or by a critical flag (SPEC.md §4.4), which
// this one does not know. It does not end the link; what to do is in SPEC.md §11.2.
type UnknownError struct {
	What string // "type 100", "RESPONSE with the flags 257"
}

// Error says it.
func (e *UnknownError) Error() string { return e.What + " is not known" }

const (
	maxShown  = 256
	leastText = 8  // shorter runs of printable bytes are chance
	maxHex    = 16 // of what follows text
)

func clip(b []byte) []byte {
	if len(b) > maxShown {
		b = b[:maxShown]
	}
	return append([]byte(nil), b...)
}

// showBytes gives text as a quoted string and anything else as hex. A few odd bytes, or a rune cut off at the end, do
// not make text unreadable. Text with something else behind it, as a print before the next frame leaves it, is shown
// as both.
func showBytes(b []byte) string {
	text, lead := 0, 0
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if unicode.IsPrint(r) && r != utf8.RuneError || r == '\n' || r == '\r' || r == '\t' || r == '\ufeff' {
			if text == i {
				lead = i + size
			}
			text += size
		}
		i += size
	}
	if text*10 >= len(b)*9 {
		return "text " + strconv.Quote(strings.ToValidUTF8(string(b), "\uFFFD"))
	}
	if lead >= leastText {
		rest := b[lead:]
		return fmt.Sprintf("text %s, then bytes % x", strconv.Quote(string(b[:lead])), rest[:min(len(rest), maxHex)])
	}
	return fmt.Sprintf("bytes % x", b)
}
