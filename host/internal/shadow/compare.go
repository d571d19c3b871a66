// compare.go: whether two answers are the same, and an example where they are not. It is pure.

package shadow

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/workerhost/workerhost/host/internal/redact"
)

// Example is a difference, without the secrets that can be found in it.
type Example struct {
	Request string // "GET /cart?token=REDACTED"
	ID      string // in the host's log
	What    string // as in Report.By
	Old     string // what the client got, of what differs
	New     string // what new code answers
	Times   int    // how many answers of its method and path differ in that
	key     string
}

// difference is what two answers differ in first.
type difference struct {
	what     string // "": in nothing
	old, new string
	bodies   [2][]byte
	large    bool
}

// compare looks for the first of what differs.
func compare(method string, old, new *answer, ignore []*regexp.Regexp) (d difference) {
	say := func(what, from, to string) difference {
		d.what, d.old, d.new = what, from, to
		return d
	}
	switch {
	case old.status != new.status || old.failure != new.failure:
		return say("status", old.outcome(), new.outcome())
	case old.form != new.form:
		return say("form", old.form, new.form)
	case old.kind != new.kind:
		return say("type", old.kind, new.kind)
	}
	if from, to := without(old.location, ignore), without(new.location, ignore); from != to {
		return say("location", from, to)
	}
	if bodiless(method, old.status) {
		return d
	}
	if old.length > most || new.length > most {
		if d.large = true; len(ignore) == 0 && old.length != new.length {
			return say("length", sized(old.length), sized(new.length))
		}
		return d
	}
	from, to := without(string(old.body), ignore), without(string(new.body), ignore)
	if from == to {
		return d
	}
	d.bodies = [2][]byte{[]byte(from), []byte(to)}
	if len(from) != len(to) {
		return say("length", sized(int64(len(from))), sized(int64(len(to))))
	}
	return say("body", "", "")
}

// bodiless says whether an answer has no body, whatever the code gives (RFC 9110 §6.4.1).
func bodiless(method string, status int) bool {
	return method == "HEAD" || status == 204 || status == 205 || status == 304
}

// without is text with what is to be ignored taken out.
func without(text string, ignore []*regexp.Regexp) string {
	for _, pattern := range ignore {
		text = pattern.ReplaceAllLiteralString(text, "")
	}
	return text
}

func (a *answer) outcome() string {
	if a.status == 0 {
		return "no answer: " + a.failure
	}
	return strconv.Itoa(a.status)
}

func sized(n int64) string { return fmt.Sprintf("%d bytes", n) }

// example makes one of the difference, with where the bodies part.
func (d *difference) example(c *copied, key string) Example {
	e := Example{Request: c.request.Method + " " + redact.URL(c.request.Target), ID: c.request.ID, What: d.what,
		Old: redact.Text(d.old), New: redact.Text(d.new), Times: 1, key: key}
	if d.bodies[0] == nil && d.bodies[1] == nil {
		return e
	}
	from, to := excerpts(redact.Text(string(d.bodies[0])), redact.Text(string(d.bodies[1])))
	e.Old, e.New = strings.TrimSpace(e.Old+" "+from), strings.TrimSpace(e.New+" "+to)
	return e
}

const (
	before = 30 // bytes of an excerpt before where two bodies part
	behind = 50 // bytes from there on
)

// excerpts are of two texts around where they part.
func excerpts(a, b string) (string, string) {
	if a == b {
		return "in what is masked", "in what is masked"
	}
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	return excerpt(a, at), excerpt(b, at)
}

func excerpt(text string, at int) string {
	from, to := max(0, at-before), min(len(text), at+behind)
	part := []byte(text[from:to])
	if !utf8.Valid(part) { // cut in the midst of a character, or no text
		part = bytes.ToValidUTF8(part, []byte("·"))
	}
	shown := strconv.Quote(string(part))
	if from > 0 {
		shown = "…" + shown
	}
	if to < len(text) {
		shown += "…"
	}
	return shown
}
