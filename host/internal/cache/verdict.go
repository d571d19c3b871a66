// verdict.go: what may be stored (RFC 9111 §3), and what is said of its freshness (§4.2).

package cache

import (
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// verdict is what an answer says of how it may be stored.
type verdict struct {
	store    bool
	shared   bool // it says that it is for all, also for who has shown who they are
	silent   bool // it says nothing, and default_ttl counts
	validate bool // it may not be used without asking anew, not even in trouble
	strict   bool // likewise, once it is stale
	age      time.Duration
	ttl      time.Duration
	while    time.Duration // stale-while-revalidate
	onError  time.Duration // stale-if-error
	leave    []string      // fields that are not stored
}

// judge says how an answer to a GET may be stored, that came between asked and now.
func (s *Settings) judge(r *asked, status int, headers []string, sent, now time.Time) (v verdict) {
	own := parseDirectives(values(headers, "Cache-Control"))
	said, byTarget := targeted(values(headers, "CDN-Cache-Control"))
	if !byTarget {
		said = own
	}
	v.shared = byTarget || said.has("public") || said.has("s-maxage") || said.has("must-revalidate")
	switch {
	case status == 206, status == 304, status < 200, status > 599:
		return v
	case said.has("no-store") && !(said.has("must-understand") && understood(status)):
		return v
	case said.has("must-understand") && !understood(status):
		return v
	case r.authorized && !v.shared:
		return v
	}
	v.validate = said.has("no-cache")
	for _, name := range [...]string{"private", "no-cache"} {
		if !said.has(name) {
			continue
		}
		fields := said.fields(name)
		if fields == nil && name == "private" {
			return v
		}
		if v.leave = append(v.leave, fields...); fields != nil && name == "no-cache" {
			v.validate = false
		}
	}
	v.strict = v.validate || said.has("must-revalidate") || said.has("proxy-revalidate") ||
		said.has("s-maxage") && !byTarget
	if value(headers, "Set-Cookie") != "" && !byTarget && !containsFold(v.leave, "Set-Cookie") {
		return v
	}
	for _, name := range items(values(headers, "Vary")) {
		if name == "*" {
			return v
		}
	}
	v.age = initialAge(headers, sent, now)
	explicit := v.lifetime(said, byTarget, headers, now)
	if !explicit {
		speaks := len(said) > 0 && !(len(said) == 1 && said.has("public")) || value(headers, "Pragma") != ""
		if s.DefaultTTL <= 0 || speaks && !v.validate || r.cookies || r.authorized || !cacheable(status) {
			v.store = v.validate && validator(headers)
			return v
		}
		if !v.validate {
			v.ttl, v.silent, v.age = s.DefaultTTL, true, 0
		}
	}
	v.tolerate(said, s)
	v.store = v.ttl > v.age || validator(headers) || v.ttl+v.while > v.age || v.ttl+v.onError > v.age
	return v
}

// lifetime says whether the answer tells how long it stays fresh.
func (v *verdict) lifetime(said directives, byTarget bool, headers []string, now time.Time) (explicit bool) {
	if ttl, is := said.time("s-maxage"); is {
		v.ttl = ttl
		return true
	}
	if ttl, is := said.time("max-age"); is {
		v.ttl = ttl
		return true
	}
	if byTarget {
		return said.has("no-cache")
	}
	if v.validate {
		return true
	}
	lines := values(headers, "Expires")
	if len(lines) == 0 {
		return false
	}
	at, ok := parseDate(lines[0])
	if !ok || len(lines) > 1 {
		return true
	}
	from, ok := parseDate(value(headers, "Date"))
	if !ok {
		from = now
	}
	v.ttl = max(0, min(at.Sub(from), longest))
	return true
}

// tolerate notes how stale it may be.
func (v *verdict) tolerate(said directives, s *Settings) {
	if v.strict {
		return
	}
	v.while, _ = said.time("stale-while-revalidate")
	var is bool
	if v.onError, is = said.time("stale-if-error"); !is {
		v.onError = s.StaleIfError
	}
}

// initialAge is how old the answer was when it came (RFC 9111 §4.2.3).
func initialAge(headers []string, sent, now time.Time) time.Duration {
	first, _, _ := strings.Cut(value(headers, "Age"), ",")
	age := max(0, seconds(strings.Trim(first, " \t"))+now.Sub(sent))
	if date, ok := parseDate(value(headers, "Date")); ok {
		age = max(age, now.Sub(date).Truncate(time.Second))
	}
	return min(age, longest)
}

// validator says whether it can be asked whether an answer is still the same.
func validator(headers []string) bool {
	return value(headers, "Etag") != "" || value(headers, "Last-Modified") != ""
}

// understood are the statuses whose meaning for caches is known.
func understood(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 421, 451, 500, 501, 502, 503,
		504:
		return true
	}
	return false
}

// cacheable are those that default_ttl is for.
func cacheable(status int) bool {
	switch status {
	case 200, 203, 301, 308, 404, 410:
		return true
	}
	return false
}

func containsFold(list []string, name string) bool {
	for _, one := range list {
		if strings.EqualFold(one, name) {
			return true
		}
	}
	return false
}

// asked is what a request says, as far as it decides whether a stored answer is for it.
type asked struct {
	request    *protocol.Request
	authorized bool // it shows who the client is
	cookies    bool // it has some that may say who the client is
}
