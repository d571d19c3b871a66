// The fields of a request's header, from wherever it came: net/http has them in a map, a plain request on the lane in
// a list. That is all that most requests need; the map is made of it for whoever asks for the header.

package web

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/http1"
)

// field is one of a request's fields, its name in canonical form.
type field struct{ name, value string }

// sortFields sorts by name, so that the same request always looks the same; repeats keep their order.
func sortFields(fields []field) {
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
}

// appendPlain appends those of a plain head, of which text is the text, sorted.
func appendPlain(to []field, head *http1.Head, text string) []field {
	n := len(to)
	for i := range head.Fields() {
		_, value := head.Field(text, i)
		to = append(to, field{head.Name(text, i), value})
	}
	sortFields(to[n:])
	return to
}

// appendFields appends those of a header, sorted.
func appendFields(to []field, h http.Header) []field {
	n := len(to)
	for name, values := range h {
		for _, value := range values {
			to = append(to, field{name, value})
		}
	}
	sortFields(to[n:])
	return to
}

// header is the request's header, which the visit may change.
func (v *visit) header() http.Header {
	h, list := v.r.Header, v.listed
	v.listed = nil
	for len(list) > 0 {
		name, n := list[0].name, 1
		for n < len(list) && list[n].name == name {
			n++
		}
		values := make([]string, n)
		for i := range values {
			values[i] = list[i].value
		}
		h[name], list = values, list[n:]
	}
	return h
}

// first is a field's first value, by its canonical name, and how many it has.
func (v *visit) first(name string) (value string, n int) {
	if v.listed == nil {
		if values := v.r.Header[name]; len(values) > 0 {
			return values[0], len(values)
		}
		return "", 0
	}
	for i := range v.listed {
		if f := &v.listed[i]; f.name == name {
			if n++; n == 1 {
				value = f.value
			}
		}
	}
	return value, n
}

// value is a field's first value, or "".
func (v *visit) value(name string) string {
	value, _ := v.first(name)
	return value
}

// appendValues appends a field's values, by its canonical name.
func (v *visit) appendValues(to []string, name string) []string {
	if v.listed == nil {
		return append(to, v.r.Header[name]...)
	}
	for i := range v.listed {
		if f := &v.listed[i]; f.name == name {
			to = append(to, f.value)
		}
	}
	return to
}

// set puts one value, by a field's canonical name, in the place of those that there are.
func (v *visit) set(name, value string) {
	if v.listed == nil {
		v.r.Header[name] = []string{value}
		return
	}
	v.remove(func(is string) bool { return is == name })
	at, _ := slices.BinarySearchFunc(v.listed, name, func(f field, name string) int {
		return strings.Compare(f.name, name)
	})
	v.listed = slices.Insert(v.listed, at, field{name, value})
}

// remove takes the fields away that match, by their canonical names.
func (v *visit) remove(match func(name string) bool) {
	if v.listed == nil {
		maps.DeleteFunc(v.r.Header, func(name string, _ []string) bool { return match(name) })
		return
	}
	v.listed = slices.DeleteFunc(v.listed, func(f field) bool { return match(f.name) })
}

// basicAuth is who the client says that it is (RFC 7617), if it says so.
func (v *visit) basicAuth() (user, password string, ok bool) {
	v.header()
	return v.r.BasicAuth()
}

// appendForwarded appends to pairs what a worker is told of a request's fields, which are sorted.
func appendForwarded(pairs []string, fields []field) []string {
	for i := range fields {
		f := &fields[i]
		switch f.name {
		// answered here; would become HTTP_PROXY in CGI-like code; known once they have come
		case "Expect", "Proxy", "Trailer":
			continue
		case "Host": // HTTP/2's, beside :authority or in its place: it is the REQUEST's host
			continue
		// the host's own word to its workers
		case "X-Worker-Warmup", "X-Worker-Shadow", "X-Worker-Fetch-Failed", "X-Worker-Cron",
			"X-Worker-Replay":
			continue
		case "Te":
			told := len(pairs) > 1 && pairs[len(pairs)-2] == "Te"
			if !told && hasToken([]string{f.value}, "trailers") {
				pairs = append(pairs, "Te", "trailers")
			}
			continue
		}
		if hopByHop(f.name) {
			continue
		}
		pairs = append(pairs, f.name, f.value)
	}
	return pairs
}
