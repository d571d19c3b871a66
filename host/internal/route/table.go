// Package route finds who takes a request: by the name of its host, its path and its method, the most exact wins. It
// does no I/O, and knows neither what a route leads to nor what a request is beside these three.
//
// The order, from the most exact: routes that are First, then those of a host's name, of "*.example.org" (the longer
// one first), of any host; among them a path itself, then the longest that the path is below, as "/api/*" has it, and
// any path; among them those that name the method. What a more exact host has no path for is left to a less exact one.
package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Rule is what a route takes. A list that is empty takes all.
type Rule struct {
	First   bool     // before all that are not
	Hosts   []string // in lower case: "example.org", or "*.example.org" for all names that end so
	Paths   []string // canonical: "/login", or "/api/*" for /api and all below it
	Methods []string // GET is HEAD, too
}

// Table finds the rule for a request. It never changes, and is safe for concurrent use.
type Table struct {
	levels [2]level // those that are First, and the others
	order  []Entry
}

// Entry is a host and a path of a rule; "" is any.
type Entry struct {
	Rule    int // its place among those that the table was made of
	First   bool
	Host    string
	Path    string
	Methods []string // none: any
}

// level is a table of its own.
type level struct {
	exact map[string]*site
	wild  map[string]*site // by what comes behind the star, with its dot
	any   *site
}

// site is what there is for one host.
type site struct {
	exact   map[string][]Entry
	below   map[string][]Entry // by the folder, without its slash; "" is any path
	lengths []int              // of the names in below, the longest first
}

// Clash is two rules that take the same.
type Clash struct {
	One, Other int
	What       string // such as "GET example.org/api/*"
}

// Error says which two.
func (c *Clash) Error() string {
	return fmt.Sprintf("routes %d and %d both take %s", c.One, c.Other, c.What)
}

// Compile makes a table. The error is a *Clash.
func Compile(rules []Rule) (*Table, error) {
	t := &Table{}
	for i, rule := range rules {
		methods := rule.Methods
		if slices.Contains(methods, "GET") && !slices.Contains(methods, "HEAD") {
			methods = append(slices.Clone(methods), "HEAD")
		}
		for _, host := range orAny(rule.Hosts) {
			for _, path := range orAny(rule.Paths) {
				if path == "/*" {
					path = ""
				}
				e := Entry{Rule: i, First: rule.First, Host: host, Path: path, Methods: methods}
				if err := t.add(e); err != nil {
					return nil, err
				}
			}
		}
	}
	slices.SortStableFunc(t.order, byExactness)
	for i := range t.levels {
		t.levels[i].finish()
	}
	return t, nil
}

func orAny(list []string) []string {
	if len(list) == 0 {
		return []string{""}
	}
	return list
}

func (t *Table) add(e Entry) error {
	l := &t.levels[1]
	if e.First {
		l = &t.levels[0]
	}
	places, name := l.of(e.Host).place(e.Path)
	for _, before := range places[name] {
		if method, same := overlap(before.Methods, e.Methods); same {
			return &Clash{before.Rule, e.Rule, strings.TrimSpace(method + " " + e.Host + cmp.Or(e.Path, "/*"))}
		}
	}
	places[name] = append(places[name], e)
	t.order = append(t.order, e)
	return nil
}

// overlap finds a method that both lists name.
func overlap(one, other []string) (method string, same bool) {
	for _, m := range one {
		if slices.Contains(other, m) {
			return m, true
		}
	}
	return "", len(one) == 0 && len(other) == 0
}

// of is the site of a host in a rule's manner.
func (l *level) of(host string) *site {
	if l.exact == nil {
		l.exact, l.wild = map[string]*site{}, map[string]*site{}
	}
	if host == "" {
		if l.any == nil {
			l.any = newSite()
		}
		return l.any
	}
	sites, name := l.exact, host
	if suffix, ok := strings.CutPrefix(host, "*"); ok {
		sites, name = l.wild, suffix
	}
	if sites[name] == nil {
		sites[name] = newSite()
	}
	return sites[name]
}

func newSite() *site { return &site{exact: map[string][]Entry{}, below: map[string][]Entry{}} }

// place is where a path's entries are.
func (s *site) place(path string) (places map[string][]Entry, name string) {
	if path == "" {
		return s.below, ""
	}
	if folder, ok := strings.CutSuffix(path, "/*"); ok {
		return s.below, folder
	}
	return s.exact, path
}

func (l *level) finish() {
	if l.any != nil {
		l.any.finish()
	}
	for _, s := range l.exact {
		s.finish()
	}
	for _, s := range l.wild {
		s.finish()
	}
}

// finish puts entries that name methods before the one that does not, and folders in their order.
func (s *site) finish() {
	for _, entries := range s.exact {
		slices.SortStableFunc(entries, byExactness)
	}
	for name, entries := range s.below {
		slices.SortStableFunc(entries, byExactness)
		if !slices.Contains(s.lengths, len(name)) {
			s.lengths = append(s.lengths, len(name))
		}
	}
	slices.SortFunc(s.lengths, func(a, b int) int { return b - a })
}

// byExactness orders as the package says.
func byExactness(a, b Entry) int {
	return cmp.Or(
		-compareBool(a.First, b.First),
		cmp.Compare(kind(a.Host), kind(b.Host)), cmp.Compare(len(b.Host), len(a.Host)),
		strings.Compare(a.Host, b.Host),
		cmp.Compare(kind(a.Path), kind(b.Path)), cmp.Compare(len(b.Path), len(a.Path)),
		strings.Compare(a.Path, b.Path),
		compareBool(len(a.Methods) == 0, len(b.Methods) == 0),
	)
}

// kind is 0 for what is meant as it stands, 1 for what has a star, and 2 for any.
func kind(pattern string) int {
	switch {
	case pattern == "":
		return 2
	case strings.HasPrefix(pattern, "*.") || strings.HasSuffix(pattern, "/*"):
		return 1
	}
	return 0
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Order is what the table has, the most exact first. It is not to be changed.
func (t *Table) Order() []Entry { return t.order }
