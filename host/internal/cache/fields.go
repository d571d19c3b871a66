// fields.go: headers as the wire has them (name, value, name, value, …), and dates.

package cache

import (
	"net/textproto"
	"strings"
	"time"
)

// value is a header's first value, or "".
func value(pairs []string, name string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if len(pairs[i]) == len(name) && strings.EqualFold(pairs[i], name) {
			return pairs[i+1]
		}
	}
	return ""
}

// values are all of a header.
func values(pairs []string, name string) (all []string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if len(pairs[i]) == len(name) && strings.EqualFold(pairs[i], name) {
			all = append(all, pairs[i+1])
		}
	}
	return all
}

// without are the pairs whose names don't match.
func without(pairs []string, match func(name string) bool) []string {
	left := make([]string, 0, len(pairs)+8)
	for i := 0; i+1 < len(pairs); i += 2 {
		if !match(pairs[i]) {
			left = append(left, pairs[i], pairs[i+1])
		}
	}
	return left
}

// items are what comma-separated lists name.
func items(lists []string) (all []string) {
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			if item = strings.Trim(item, " \t"); item != "" {
				all = append(all, item)
			}
		}
	}
	return all
}

// perConnection says whether a field is about one connection only, or about a proxy's client, so that it is not
// stored (RFC 9111 §3.1).
func perConnection(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Te", "Trailer", "Upgrade",
		"Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization":
		return true
	}
	return false
}

// parseDate reads a date of RFC 9110 §5.6.7, in each of its forms, and in no other.
func parseDate(s string) (time.Time, bool) {
	const imf, asctime = 29, 24
	s = strings.TrimSpace(s)
	if len(s) < asctime {
		return time.Time{}, false
	}
	if zone := s[len(s)-3:]; strings.EqualFold(zone, "GMT") {
		s = s[:len(s)-3] + "GMT"
	}
	layout := "Mon, 02 Jan 2006 15:04:05 GMT"
	switch comma := strings.IndexByte(s, ','); {
	case comma == 3 && len(s) == imf:
	case comma > 3 && len(s) == comma+2+len("02-Jan-06 15:04:05 GMT"):
		layout = "Monday, 02-Jan-06 15:04:05 GMT"
	case comma < 0 && len(s) == asctime:
		layout = time.ANSIC
	default:
		return time.Time{}, false
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return time.Time{}, false
	}
	if comma := strings.IndexByte(s, ','); comma > 3 && t.Year()-time.Now().Year() > 50 {
		t = t.AddDate(-100, 0, 0) // two digits: never more than 50 years ahead
	}
	return t, true
}

// httpDate is how dates are written.
func httpDate(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }
