// Printable: what a worker says ends on the terminals of people, who may be root where the worker is not.

package workers

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable is text with a terminal's control characters and broken UTF-8 as escapes, such as \x1b: text that a worker had from a client must not move a
// cursor, or give a window a title. Line ends and tabs stay.
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
		case unprintable(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\t'
}
