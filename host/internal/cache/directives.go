// directives.go: Cache-Control (RFC 9111 §5.2), and CDN-Cache-Control in its place (RFC 9213).

package cache

import (
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// directives are what a Cache-Control says, by names in lower case. Of one that is there twice the first counts, but
// for times, of which the shortest does.
type directives map[string]string

// longest is the longest time there is (RFC 9111 §1.2.2).
const longest = time.Duration(1<<31) * time.Second

// parseDirectives reads the lines of a Cache-Control. It takes whatever it gets: what is malformed has an empty name
// or a value that is no time.
func parseDirectives(lines []string) directives {
	var all directives
	for _, line := range lines {
		for line != "" {
			var name, value string
			var has bool
			name, value, has, line = nextDirective(line)
			if name == "" {
				continue
			}
			if all == nil {
				all = directives{}
			}
			before, twice := all[name]
			switch {
			case !twice:
				all[name] = value
			case has && timed(name):
				if t, u := seconds(value), seconds(before); t < u {
					all[name] = value
				}
			}
		}
	}
	return all
}

// timed says whether a directive's value is a time.
func timed(name string) bool {
	return name == "max-age" || name == "s-maxage" || strings.HasPrefix(name, "stale-")
}

// nextDirective reads one, and what is behind it.
func nextDirective(s string) (name, value string, has bool, rest string) {
	s = strings.TrimLeft(s, " \t,")
	i := strings.IndexAny(s, ",=")
	if i < 0 {
		return strings.ToLower(strings.TrimRight(s, " \t")), "", false, ""
	}
	name = strings.ToLower(strings.TrimRight(s[:i], " \t"))
	if s[i] == ',' {
		return name, "", false, s[i+1:]
	}
	s = s[i+1:]
	if quoted := strings.TrimLeft(s, " \t"); strings.HasPrefix(quoted, `"`) {
		if value, rest, has = unquote(quoted); has {
			_, rest, _ = strings.Cut(rest, ",")
			return name, value, true, rest
		}
	}
	value, rest, _ = strings.Cut(s, ",")
	return name, strings.Trim(value, " \t"), true, rest
}

// unquote reads a quoted string, and what is behind it.
func unquote(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// seconds reads delta-seconds; what is none is 0, so that nothing stays fresh by mistake.
func seconds(s string) time.Duration {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	switch {
	case s == "":
		return 0
	case err != nil || n >= 1<<31: // it is digits, so there are too many
		return longest
	}
	return time.Duration(n) * time.Second
}

// has says whether a directive is there.
func (d directives) has(name string) bool {
	_, is := d[name]
	return is
}

// time is a directive's, and whether it is there.
func (d directives) time(name string) (time.Duration, bool) {
	value, is := d[name]
	return seconds(value), is
}

// fields are the names in a directive's value, as private="Set-Cookie" has them; nil is that it holds for all.
func (d directives) fields(name string) (names []string) {
	for field := range strings.SplitSeq(d[name], ",") {
		if field = strings.Trim(field, " \t"); field != "" {
			names = append(names, field)
		}
	}
	return names
}

// targeted reads the lines of a CDN-Cache-Control. ok is false if they say nothing, or are no dictionary (RFC 8941):
// then Cache-Control counts.
func targeted(lines []string) (all directives, ok bool) {
	if len(lines) == 0 {
		return nil, false
	}
	dictionary, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return nil, false
	}
	all = directives{}
	for _, name := range dictionary.Names() {
		member, _ := dictionary.Get(name)
		item, is := member.(httpsfv.Item)
		if !is {
			continue
		}
		switch value := item.Value.(type) {
		case bool:
			if value && !timed(name) {
				all[name] = ""
			}
		case int64:
			if value >= 0 && timed(name) {
				all[name] = strconv.FormatInt(value, 10)
			}
		case string:
			if !timed(name) {
				all[name] = value
			}
		}
	}
	return all, len(all) > 0
}
