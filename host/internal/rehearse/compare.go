// compare.go: what two answers differ in. It is pure.

package rehearse

import (
	"fmt"
	"mime"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/workerhost/workerhost/host/internal/redact"
)

// mostBody is how much of a body is kept; of what is longer the length is compared.
const mostBody = 1 << 20

// Answer is what came of a request.
type Answer struct {
	Status  int         // 0: there was none
	Failure string      // why
	Busy    bool        // there was none since nobody came to it, by no code's fault
	Form    string      // "", or of an answer in this process what the host would do with it, in words
	Headers [][2]string // names and values, in the order in which they came
	Body    []byte      // its beginning, at most 1 MiB
	Length  int64       // of all of it; -1: it has no end
	Took    time.Duration
}

// outcome is an answer's status, in words.
func (a *Answer) outcome() string {
	if a.Status == 0 {
		return "no answer: " + a.Failure
	}
	return strconv.Itoa(a.Status)
}

// values are those of a field, joined.
func (a *Answer) value(name string) string {
	var all []string
	for _, h := range a.Headers {
		if strings.EqualFold(h[0], name) {
			all = append(all, h[1])
		}
	}
	return strings.Join(all, ", ")
}

// Parts of an answer that are compared.
const (
	PartStatus  = "status"
	PartHeaders = "headers"
	PartBody    = "body"
)

// Parts are all of them.
func Parts() []string { return []string{PartStatus, PartHeaders, PartBody} }

// Rules say how answers are compared.
type Rules struct {
	Parts  []string         // empty: all
	Ignore []*regexp.Regexp // what they match is taken out of bodies, and of "name: value" of headers
}

func (r *Rules) has(part string) bool { return len(r.Parts) == 0 || slices.Contains(r.Parts, part) }

func (r *Rules) without(text string) string {
	for _, pattern := range r.Ignore {
		text = pattern.ReplaceAllLiteralString(text, "")
	}
	return text
}

// Difference is one thing in which two answers differ.
type Difference struct {
	Kind string `json:"kind"`          // "status", "body", "length", "form", or "header NAME"
	Old  string `json:"old,omitempty"` // in a line
	New  string `json:"new,omitempty"`
	Diff string `json:"diff,omitempty"` // of bodies
}

// verdict is what a comparison found.
type verdict struct {
	differences []Difference
	unsteady    bool // the body of the old changes too much to be compared
}

func (v *verdict) say(kind, old, new string) {
	v.differences = append(v.differences, Difference{Kind: kind, Old: redact.Text(old), New: redact.Text(new)})
}

// compare compares an answer of the new one with several of the old, which were all asked the same.
func compare(method string, olds []*Answer, new *Answer, rules *Rules) (v verdict) {
	old := olds[0]
	for _, o := range olds { // where the old one is not sure of itself, what it says at times is good
		if o.Status == new.Status {
			old = o
			break
		}
	}
	if old.Status != new.Status {
		if rules.has(PartStatus) {
			v.say("status", old.outcome(), new.outcome())
		}
		return v
	}
	if old.Status == 0 {
		return v
	}
	same := []*Answer{old}
	for _, o := range olds {
		if o != old && o.Status == old.Status {
			same = append(same, o)
		}
	}
	if rules.has(PartHeaders) {
		if old.Form != new.Form {
			v.say("form", formed(old.Form), formed(new.Form))
		}
		compareHeaders(&v, same, new, rules)
	}
	if rules.has(PartBody) && old.Form == new.Form && old.Form == "" && !bodiless(method, old.Status) {
		compareBodies(&v, same, new, rules)
	}
	return v
}

func formed(form string) string {
	if form == "" {
		return "a body"
	}
	return form
}

// bodiless says whether an answer has no body, whatever the code gives (RFC 9110 §6.4.1).
func bodiless(method string, status int) bool {
	return method == "HEAD" || status == 204 || status == 205 || status == 304
}

func compareBodies(v *verdict, olds []*Answer, new *Answer, rules *Rules) {
	old := olds[0]
	if old.Length < 0 || new.Length < 0 { // a stream
		if old.Length != new.Length {
			v.say("length", sized(old.Length), sized(new.Length))
		}
		return
	}
	if old.Length > mostBody || new.Length > mostBody || !utf8.Valid(old.Body) {
		steady := !slices.ContainsFunc(olds, func(o *Answer) bool { return o.Length != old.Length })
		switch {
		case !steady:
			v.unsteady = true
		case old.Length != new.Length:
			v.say("length", sized(old.Length), sized(new.Length))
		case old.Length <= mostBody && string(old.Body) != string(new.Body) &&
			!slices.ContainsFunc(olds, func(o *Answer) bool { return string(o.Body) != string(old.Body) }):
			v.say("body", "", "other bytes, as many")
		}
		return
	}
	var samples []string
	for _, o := range olds {
		samples = append(samples, rules.without(string(o.Body)))
	}
	from, to, ok := normalised(samples, rules.without(string(new.Body)))
	switch {
	case !ok:
		v.unsteady = true
	case from != to:
		d := Difference{Kind: "body", Diff: diff(from, to)}
		if old.Length != new.Length {
			d.Old, d.New = sized(old.Length), sized(new.Length)
		}
		v.differences = append(v.differences, d)
	}
}

func sized(n int64) string {
	if n < 0 {
		return "no end"
	}
	return fmt.Sprintf("%d bytes", n)
}

// unmeasured are fields that say something of the server, of the connection or of the moment, and nothing about what
// the client gets; or that are compared in another way.
var unmeasured = []string{"date", "server", "host", "connection", "keep-alive", "transfer-encoding", "content-length",
	"via", "x-powered-by", "age", "accept-ranges", "alt-svc", "server-timing", "x-request-id", "x-correlation-id",
	"traceparent", "etag", "last-modified", "content-encoding", "trailer", "upgrade", "proxy-connection", "expect-ct",
	"x-runtime", "x-worker-generation"}

// compareHeaders compares the fields that matter, each by itself.
func compareHeaders(v *verdict, olds []*Answer, new *Answer, rules *Rules) {
	fields := make([]map[string]string, len(olds)+1)
	var names []string
	for i, a := range append(slices.Clone(olds), new) {
		fields[i] = measured(a, rules)
		for name := range fields[i] {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	to := fields[len(olds)]
	for _, name := range names {
		var samples []string
		for i := range olds {
			samples = append(samples, fields[i][name])
		}
		if slices.Contains(samples, to[name]) || name == "x-content-type-options" && fields[0][name] == "" {
			continue // files have that here, whatever they had there
		}
		a, b, ok := normalised(samples, to[name])
		if ok && a != b {
			v.say("header "+title(name), orNone(secretless(name, a)), orNone(secretless(name, b)))
		}
	}
}

// secretless is a field's value for people: that of a cookie is a secret, and so is that of a name that says so.
func secretless(name, value string) string {
	if redact.Key(name) && value != "" {
		return redact.Mask
	}
	if strings.HasPrefix(name, "set-cookie ") && value != "" {
		_, attributes, _ := strings.Cut(value, ";")
		return strings.TrimSpace("(value);" + attributes)
	}
	return value
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// title is a name as it is written in a header.
func title(name string) string {
	name, more, _ := strings.Cut(name, " ")
	parts := strings.Split(name, "-")
	for i, part := range parts {
		if part != "" {
			parts[i] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.TrimSpace(strings.Join(parts, "-") + " " + more)
}

// measured are the fields of an answer that matter, by their names in small letters, each cookie apart. A validator
// stands for ETag and Last-Modified, whose values are the server's own affair.
func measured(a *Answer, rules *Rules) map[string]string {
	fields := map[string]string{}
	for _, h := range a.Headers {
		name, value := strings.ToLower(h[0]), strings.TrimSpace(h[1])
		switch name {
		case "etag", "last-modified":
			name, value = "validator", "yes"
		case "set-cookie":
			cookie, _, _ := strings.Cut(value, "=")
			name += " " + cookie
		case "content-type":
			value = mediaType(value)
		case "cache-control", "allow":
			value = sorted(strings.ToLower(value))
		case "vary":
			value = sorted(strings.ToLower(value))
			value = sorted(strings.ReplaceAll(", "+value+",", ", accept-encoding,", ",")) // whoever compresses adds it
		}
		if slices.Contains(unmeasured, name) || value == "" && name == "vary" {
			continue
		}
		if rules.without(name+": "+value) != name+": "+value {
			if value = rules.without(name + ": " + value); value == "" {
				continue
			}
		}
		if before, more := fields[name]; more && name != "validator" {
			value = before + ", " + value
		}
		fields[name] = value
	}
	return fields
}

func sorted(list string) string {
	parts := strings.FieldsFunc(list, func(c rune) bool { return c == ',' })
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), ", ")
}

// aliases are media types that mean the same.
var aliases = map[string]string{"application/javascript": "text/javascript",
	"application/x-javascript": "text/javascript", "text/xml": "application/xml",
	"image/x-icon": "image/vnd.microsoft.icon", "application/font-woff": "font/woff",
	"application/x-font-woff": "font/woff", "application/x-font-ttf": "font/ttf", "image/x-ms-bmp": "image/bmp"}

// utf8Types are types whose text is UTF-8 unless they say otherwise, or that take the page's charset.
var utf8Types = []string{"text/javascript", "text/css", "application/json", "image/svg+xml", "application/xml"}

// mediaType writes a Content-Type in one way: small letters, parameters in order, the name that is standard.
func mediaType(value string) string {
	kind, parameters, err := mime.ParseMediaType(value)
	if err != nil {
		return strings.ToLower(value)
	}
	if standard := aliases[kind]; standard != "" {
		kind = standard
	}
	if charset, has := parameters["charset"]; has {
		if parameters["charset"] = strings.ToLower(charset); strings.EqualFold(charset, "utf-8") &&
			slices.Contains(utf8Types, kind) {
			delete(parameters, "charset")
		}
	}
	return mime.FormatMediaType(kind, parameters)
}
