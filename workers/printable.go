// Printable: what a worker says ends on the terminals of people, who may be root where the worker is not.

package workers

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable is text with a terminal's control characters, those that turn the direction of writing, and broken UTF-8
// as escapes, such as \x1b and \u202e: text that a worker had from a client must not move a cursor, give a window a
// title, or read otherwise than it is. Line ends and tabs stay.
func printable(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if strings.IndexFunc(text, unprintable) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch size := 1; {
		case r == utf8.RuneError:
			if _, size = utf8.DecodeRuneInString(text[i:]); size > 1 {
				b.WriteRune(r) // it was there
			} else {
				fmt.Fprintf(&b, `\x%02x`, text[i])
			}
		case unprintable(r) && r > 0xff:
			fmt.Fprintf(&b, `\u%04x`, r)
		case unprintable(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\t' ||
		r > 0xff && unicode.Is(unicode.Bidi_Control, r)
}
