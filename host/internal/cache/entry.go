// entry.go: one stored answer, and how fresh it is (RFC 9111 §4.2).

package cache

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// entry never changes, but for its counts. One that was validated is replaced.
type entry struct {
	verdict
	key        string
	url        string // as it is shown, and purged
	realm      string
	status     int
	headers    []string // with Date and, if it has a body, Content-Length; without Age
	body       []byte
	etag       string
	modified   time.Time // Last-Modified; zero: it says none
	date       time.Time // Date, or when it came
	came       time.Time
	generation uint64 // of the code that made it
	tags       []string

	hits       atomic.Uint64
	refreshing atomic.Bool  // somebody asks anew in the background
	trouble    atomic.Int64 // when that, or asking for a client, failed last, in Unix nanoseconds; 0: it did not
}

// newEntry makes one of an answer's head. headers are kept.
func newEntry(f *flight, status int, headers []string, v verdict, now time.Time) *entry {
	e := &entry{verdict: v, key: f.key, url: f.url, realm: f.room.Realm, status: status, came: now}
	var named []string
	for _, name := range items(values(headers, "Connection")) {
		named = append(named, name)
	}
	e.headers = without(headers, func(name string) bool {
		return perConnection(name) || strings.EqualFold(name, "Age") || containsFold(v.leave, name) ||
			containsFold(named, name) || strings.EqualFold(name, "Cache-Status")
	})
	var ok bool
	if e.date, ok = parseDate(value(headers, "Date")); !ok {
		e.date = now
		if value(headers, "Date") == "" {
			e.headers = append(e.headers, "Date", httpDate(now))
		}
	}
	e.etag = value(headers, "Etag")
	e.modified, _ = parseDate(value(headers, "Last-Modified"))
	e.tags = tagsOf(headers)
	return e
}

// seal adds what only the whole body tells.
func (e *entry) seal(body []byte) {
	e.body = body
	if e.status != 204 && value(e.headers, "Content-Length") == "" {
		e.headers = append(e.headers, "Content-Length", strconv.Itoa(len(body)))
	}
}

// renewed is the entry after a 304 with these headers (RFC 9111 §4.3.4). v is what they say together.
func (e *entry) renewed(f *flight, merged []string, v verdict, now time.Time) *entry {
	made := newEntry(f, e.status, merged, v, now)
	made.seal(e.body)
	made.hits.Store(e.hits.Load())
	return made
}

// merge is what an entry's headers become with those of a 304.
func merge(stored, fresh []string) []string {
	kept := without(stored, func(name string) bool {
		return !lasting(name) && value(fresh, name) != "" || strings.EqualFold(name, "Date")
	})
	return append(kept, without(fresh, func(name string) bool {
		return lasting(name) || perConnection(name)
	})...)
}

// lasting are fields of the stored body, which a 304 has none of.
func lasting(name string) bool {
	switch strings.ToLower(name) {
	case "content-length", "content-encoding", "content-range":
		return true
	}
	return false
}

// ageAt is how old it is.
func (e *entry) ageAt(now time.Time) time.Duration { return e.age + max(0, now.Sub(e.came)) }

// left is how long it stays fresh; less than 0 is for how long it has not been.
func (e *entry) left(now time.Time) time.Duration { return e.ttl - e.ageAt(now) }

// onErrorAt says whether it may be used where the pool has no answer.
func (e *entry) onErrorAt(now time.Time) bool {
	left := e.left(now)
	return !e.validate && (left > 0 || !e.strict && -left < e.onError)
}

// whileAt says whether it may be used while it is asked for anew.
func (e *entry) whileAt(now time.Time) bool { return !e.strict && -e.left(now) < e.while }

// coalesces says whether what one client gets may be what others who asked meanwhile get.
func (e *entry) coalesces() bool { return !e.validate && e.ttl > 0 }

// serves says whether it may be an answer to who asks so.
func (e *entry) serves(a *asked) bool {
	return (e.shared || !a.authorized) && !(e.silent && a.cookies)
}

// size is how many bytes it takes, about.
func (e *entry) size() int {
	n := 700 + 2*len(e.key) + len(e.body)
	for _, text := range e.headers {
		n += len(text) + 16
	}
	for _, tag := range e.tags {
		n += len(tag) + 80
	}
	return n
}

// tagsOf are what an answer can be purged by.
func tagsOf(headers []string) (tags []string) {
	for _, list := range values(headers, "Cache-Tag") {
		tags = append(tags, items([]string{list})...)
	}
	for _, name := range [...]string{"Surrogate-Key", "Xkey"} {
		for _, list := range values(headers, name) {
			tags = append(tags, strings.Fields(strings.ReplaceAll(list, ",", " "))...)
		}
	}
	return tags[:min(len(tags), mostTags)]
}

// mostTags is how many tags an answer may have; those beyond are left out.
const mostTags = 256

// notModified says whether the client has the entry already (RFC 9110 §13.2.2).
func (e *entry) notModified(q *protocol.Request) bool {
	if e.status != 200 {
		return false
	}
	if lists := values(q.Headers, "If-None-Match"); len(lists) > 0 {
		return matches(lists, e.etag)
	}
	since, ok := parseDate(value(q.Headers, "If-Modified-Since"))
	if !ok {
		return false
	}
	if !e.modified.IsZero() {
		return !e.modified.After(since)
	}
	return !e.date.After(since)
}

// matches compares weakly.
func matches(lists []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, list := range lists {
		if strings.Trim(list, " \t") == "*" {
			return true
		}
		for list = strings.TrimLeft(list, " \t,"); list != ""; list = strings.TrimLeft(list, " \t,") {
			var one string
			rest := strings.TrimPrefix(list, "W/")
			if !strings.HasPrefix(rest, `"`) { // none, as some send it
				one, list, _ = strings.Cut(list, ",")
				one = strings.Trim(one, " \t")
			} else if end := strings.IndexByte(rest[1:], '"'); end >= 0 {
				one, list = rest[:end+2], rest[end+2:]
			} else {
				one, list = rest, ""
			}
			if one == tag && tag != "" {
				return true
			}
		}
	}
	return false
}
