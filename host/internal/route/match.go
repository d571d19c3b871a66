// How a request finds its entry, and what is told of the ones that it passed.

package route

import (
	"slices"
	"strings"
)

// Match is the rule that takes a request, or -1. host is as a request has it, with a port or without; path is
// canonical. It allocates nothing, and what it costs is bounded by the table, not by the request.
func (t *Table) Match(host, path, method string) (rule int) {
	e := t.find(host, path, method)
	if e == nil {
		return -1
	}
	return e.Rule
}

// MatchExact is Match where the rule names this very path, and otherwise -1.
func (t *Table) MatchExact(host, path, method string) (rule int) {
	e := t.find(host, path, method)
	if e == nil || e.Path != path {
		return -1
	}
	return e.Rule
}

// Knows says whether a rule names the host.
func (t *Table) Knows(host string) bool {
	var buffer [longestName]byte
	name, ok := fold(&buffer, host)
	if !ok {
		return false
	}
	for i := range t.levels {
		l := &t.levels[i]
		if l.exact[string(name)] != nil {
			return true
		}
		for j := 1; j < len(name); j++ {
			if name[j] == '.' && l.wild[string(name[j:])] != nil {
				return true
			}
		}
	}
	return false
}

func (t *Table) find(host, path, method string) *Entry {
	var buffer [longestName]byte
	name, ok := fold(&buffer, host)
	for i := range t.levels {
		l := &t.levels[i]
		if ok && len(name) > 0 {
			if e := l.exact[string(name)].find(path, method); e != nil {
				return e
			}
			for j := 1; len(l.wild) > 0 && j < len(name); j++ { // the longest first
				if name[j] != '.' {
					continue
				}
				if e := l.wild[string(name[j:])].find(path, method); e != nil {
					return e
				}
			}
		}
		if e := l.any.find(path, method); e != nil {
			return e
		}
	}
	return nil
}

func (s *site) find(path, method string) *Entry {
	if s == nil {
		return nil
	}
	if e := choose(s.exact[path], method); e != nil {
		return e
	}
	for _, n := range s.lengths {
		if n > len(path) || n < len(path) && n > 0 && path[n] != '/' {
			continue
		}
		if e := choose(s.below[path[:n]], method); e != nil {
			return e
		}
	}
	return nil
}

func choose(entries []Entry, method string) *Entry {
	for i := range entries {
		if entries[i].takes(method) {
			return &entries[i]
		}
	}
	return nil
}

func (e *Entry) takes(method string) bool {
	return len(e.Methods) == 0 || slices.Contains(e.Methods, method)
}

// longestName is what a name in DNS can have, with a dot at its end.
const longestName = 254

// fold is the name in a Host: in lower case, without a port and without a dot at its end. It says false for what is
// longer than a name can be.
func fold(buffer *[longestName]byte, host string) (name []byte, ok bool) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	if len(host) > len(buffer) {
		return nil, false
	}
	for i := range len(host) {
		c := host[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		buffer[i] = c
	}
	return buffer[:len(host)], true
}

// Name is the name in a Host, as the table compares it.
func Name(host string) string {
	var buffer [longestName]byte
	name, _ := fold(&buffer, host)
	return string(name)
}

// Passed is an entry that a request went past on its way to the one that takes it, and why.
type Passed struct {
	Entry
	Why string // "another host", "another path" or "another method"
}

// Explain gives the entry that takes a request, or nil, and those that are more exact.
func (t *Table) Explain(host, path, method string) (taker *Entry, passed []Passed) {
	taker = t.find(host, path, method)
	for _, e := range t.order {
		if taker != nil && byExactness(e, *taker) == 0 && e.Rule == taker.Rule {
			break
		}
		why := "another method"
		switch alone := []Rule{{Hosts: list(e.Host), Paths: list(e.Path)}}; {
		case e.Host != "" && mustCompile([]Rule{{Hosts: list(e.Host)}}).Match(host, "/", "") < 0:
			why = "another host"
		case mustCompile(alone).Match(host, path, "") < 0:
			why = "another path"
		}
		passed = append(passed, Passed{e, why})
	}
	return taker, passed
}

func list(one string) []string {
	if one == "" {
		return nil
	}
	return []string{one}
}

// mustCompile is for a rule that can't clash.
func mustCompile(rules []Rule) *Table {
	t, err := Compile(rules)
	if err != nil {
		panic(err)
	}
	return t
}
