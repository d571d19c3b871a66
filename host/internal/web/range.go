// Ranges of files, before net/http reads them.

package web

import (
	"net/http"
	"strconv"
	"strings"
)

// heedRange leaves of a request's Range what has a meaning (RFC 9110 §14.2), as net/http spells it. A range counts for
// GET alone, and of a unit that nobody knows not at all; a suffix of no bytes can't be satisfied. size is the file's.
func heedRange(method string, h http.Header, size int64) {
	values := h["Range"]
	if len(values) == 0 {
		return
	}
	unit, set, ok := strings.Cut(values[0], "=")
	if len(values) > 1 || method != http.MethodGet || !ok || !strings.EqualFold(unit, "bytes") {
		delete(h, "Range")
		return
	}
	var wanted []string
	for spec := range strings.SplitSeq(set, ",") {
		if rest, suffix := strings.CutPrefix(strings.Trim(spec, " \t"), "-"); !suffix || rest == "" ||
			strings.Trim(rest, "0") != "" {
			wanted = append(wanted, spec)
		}
	}
	if len(wanted) == 0 {
		wanted = []string{strconv.FormatInt(size, 10) + "-"} // behind the end
	}
	h["Range"] = []string{"bytes=" + strings.Join(wanted, ",")}
}
