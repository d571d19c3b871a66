// The boundary of a form (RFC 7578), as PHP finds it in a Content-Type: some clients write one without the quotes that
// its characters ask for (RFC 2046 §5.1.1), such as ----=_Part_1 or a/b, and a form must not be empty for that.

package web

import (
	"errors"
	"strings"
)

const formType = "multipart/form-data"

var (
	errNoBoundary   = errors.New("malformed form: its Content-Type names no boundary")
	errOpenBoundary = errors.New("malformed form: its Content-Type has a quotation mark that is never closed")
)

// formBoundary says whether a Content-Type is that of a form, and what stands between its parts. An error is one that
// says so and names nothing.
func formBoundary(contentType string) (boundary string, isForm bool, err error) {
	if len(contentType) < len(formType) || !strings.EqualFold(contentType[:len(formType)], formType) {
		return "", false, nil
	}
	rest := contentType[len(formType):]
	if rest != "" && !strings.ContainsAny(rest[:1], ";, \t") {
		return "", false, nil // another type, whose name begins alike
	}
	_, value, ok := strings.Cut(rest[indexFold(rest, "boundary"):], "=")
	if !ok {
		return "", true, errNoBoundary
	}
	value = strings.TrimLeft(value, " \t")
	if quoted, ok := strings.CutPrefix(value, `"`); ok {
		if boundary, _, ok = strings.Cut(quoted, `"`); !ok {
			return "", true, errOpenBoundary
		}
	} else {
		end := strings.IndexAny(value, ",;")
		if end < 0 {
			end = len(value)
		}
		boundary = strings.TrimRight(value[:end], " \t")
	}
	if boundary == "" {
		return "", true, errNoBoundary
	}
	return boundary, true, nil
}

// indexFold is where word, in any case, begins in s; the end of s if it is not there.
func indexFold(s, word string) int {
	for i := range max(0, len(s)-len(word)+1) {
		if strings.EqualFold(s[i:i+len(word)], word) {
			return i
		}
	}
	return len(s)
}
