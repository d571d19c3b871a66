package route

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func compile(t *testing.T, rules ...Rule) *Table {
	t.Helper()
	table, err := Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTheMostExactRouteTakesARequest(t *testing.T) {
	rules := []Rule{
		0: {},
		1: {Paths: []string{"/api/*"}},
		2: {Hosts: []string{"example.org"}},
		3: {Hosts: []string{"example.org"}, Paths: []string{"/api/*"}},
		4: {Hosts: []string{"example.org"}, Paths: []string{"/api/health"}},
		5: {Hosts: []string{"*.example.org"}},
		6: {Hosts: []string{"*.eu.example.org"}, Paths: []string{"/x", "/y/*"}},
		7: {Hosts: []string{"example.org"}, Paths: []string{"/api/*"}, Methods: []string{"POST"}},
		8: {Paths: []string{"/only"}},
		9: {First: true, Paths: []string{"/.well-known/*"}},
	}
	table := compile(t, rules...)
	for request, want := range map[string]int{
		"GET example.org /":                      2,
		"GET EXAMPLE.org:8080 /":                 2,
		"GET example.org. /":                     2,
		"GET example.org /api":                   3,
		"GET example.org /api/":                  3,
		"GET example.org /api/x/y":               3,
		"GET example.org /apix":                  2,
		"POST example.org /api/x":                7,
		"POST example.org /api/health":           4, // the path is looked at before the method
		"GET example.org /api/health":            4,
		"GET a.example.org /":                    5,
		"GET a.b.example.org /api/x":             5, // the host is looked at before the path
		"GET a.eu.example.org /x":                6,
		"GET a.eu.example.org /y":                6,
		"GET a.eu.example.org /z":                5, // what it has no path for is left to a less exact one
		"GET .example.org /":                     0, // no name ends so
		"GET other.org /":                        0,
		"GET other.org /api/x":                   1,
		"GET example.org.other.org /":            0,
		"GET notexample.org /":                   0,
		"GET  /only":                             8,
		"GET [::1]:80 /only":                     8,
		"GET example.org /only":                  2,
		"GET example.org /.well-known/x":         9,
		"OPTIONS example.org *":                  2,
		"GET " + strings.Repeat("x", 300) + " /": 0,
	} {
		part := strings.Split(request, " ")
		if got := table.Match(part[1], part[2], part[0]); got != want {
			t.Errorf("%s: route %d, and not %d", request, got, want)
		}
	}
	if got := compile(t, rules[3], rules[7]).Match("example.org", "/", "GET"); got != -1 {
		t.Errorf("what no route takes: %d", got)
	}
}

func TestGETIsHEADToo(t *testing.T) {
	table := compile(t, Rule{Methods: []string{"GET"}}, Rule{})
	for method, want := range map[string]int{"GET": 0, "HEAD": 0, "POST": 1, "get": 1} {
		if got := table.Match("x", "/", method); got != want {
			t.Errorf("%s: %d", method, got)
		}
	}
}

func TestATableKnowsTheHostsThatItsRoutesName(t *testing.T) {
	table := compile(t, Rule{Hosts: []string{"example.org", "*.example.com"}, Paths: []string{"/x"}}, Rule{})
	for host, want := range map[string]bool{"example.org": true, "Example.ORG:1": true, "a.example.com": true,
		"example.com": false, "": false, "other": false, ".example.com": false} {
		if table.Knows(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}

func TestTwoRoutesForTheSameAreToldOf(t *testing.T) {
	for what, rules := range map[string][]Rule{
		"/*":            {{}, {Paths: []string{"/*"}}},
		"example.org/*": {{Hosts: []string{"example.org"}}, {Hosts: []string{"a", "example.org"}}},
		"POST example.org/api": {
			{Hosts: []string{"example.org"}, Paths: []string{"/api"}, Methods: []string{"PUT", "POST"}},
			{Hosts: []string{"example.org"}, Paths: []string{"/x", "/api"}, Methods: []string{"POST"}},
		},
		"HEAD /*": {{Methods: []string{"GET"}}, {Methods: []string{"HEAD"}}},
	} {
		if _, err := Compile(rules); err == nil || !strings.Contains(err.Error(), "both take "+what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	compile(t, Rule{}, Rule{First: true}, Rule{Methods: []string{"GET"}}, Rule{Methods: []string{"POST"}})
}

func TestAMatchCostsNoAllocation(t *testing.T) {
	table := compile(t, Rule{Hosts: []string{"example.org", "*.example.org"}, Paths: []string{"/api/*", "/x"}}, Rule{})
	if n := testing.AllocsPerRun(100, func() {
		table.Match("WWW.example.org:8080", "/api/v1/users", "GET")
		table.Knows("other.example.org")
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestARouteIsExplained(t *testing.T) {
	table := compile(t, Rule{}, Rule{Hosts: []string{"example.org"}, Paths: []string{"/api/*"}},
		Rule{Hosts: []string{"example.org"}, Methods: []string{"POST"}}, Rule{Hosts: []string{"other.org"}})
	taker, passed := table.Explain("example.org", "/x", "GET")
	if taker == nil || taker.Rule != 0 {
		t.Fatal(taker)
	}
	var why []string
	for _, p := range passed {
		why = append(why, fmt.Sprint(p.Rule, " ", p.Why))
	}
	if want := []string{"1 another path", "2 another method", "3 another host"}; !slices.Equal(why, want) {
		t.Errorf("%v", why)
	}
}

// first is what Match has to be: the first one in the order that takes the request.
func first(table *Table, host, path, method string) int {
	for _, e := range table.Order() {
		suffix, wild := strings.CutPrefix(e.Host, "*")
		folder, below := strings.CutSuffix(e.Path, "/*")
		name := Name(host)
		host := e.Host == "" || !wild && e.Host == name ||
			wild && strings.HasSuffix(name, suffix) && len(name) > len(suffix)
		path := e.Path == "" || !below && e.Path == path || below && (path == folder ||
			strings.HasPrefix(path, folder+"/"))
		if host && path && (len(e.Methods) == 0 || slices.Contains(e.Methods, method)) {
			return e.Rule
		}
	}
	return -1
}

func FuzzMatch(f *testing.F) {
	f.Add("example.org /api/*  ;*.example.org /x GET;  ", "a.example.org:80", "/api//x", "GET")
	f.Add(" / ; /a/* POST; /a/b/* ;!a.b  ", "A.b.", "/a/b/../c", "HEAD")
	f.Fuzz(func(t *testing.T, text, host, target, method string) {
		var rules []Rule
		for line := range strings.SplitSeq(text, ";") {
			var r Rule
			line, r.First = strings.CutPrefix(line, "!")
			part := strings.SplitN(line, " ", 3)
			if len(part) < 3 || len(rules) > 50 {
				return
			}
			if suffix := strings.TrimPrefix(part[0], "*."); part[0] != "" {
				if Name(suffix) != suffix || suffix == "" || strings.Contains(suffix, "*") {
					return
				}
				r.Hosts = []string{part[0]}
			}
			if part[1] != "" {
				if p, ok := protocol.CanonicalPath(strings.TrimSuffix(part[1], "*")); !ok || p == "" {
					return
				}
				r.Paths = []string{part[1]}
			}
			if part[2] != "" {
				r.Methods = []string{part[2]}
			}
			rules = append(rules, r)
		}
		path, ok := protocol.CanonicalPath(target)
		if !ok {
			return
		}
		table, err := Compile(rules)
		if err != nil {
			return
		}
		if got, want := table.Match(host, path, method), first(table, host, path, method); got != want {
			t.Errorf("route %d takes it, and not %d: %v", got, want, table.Order())
		}
		if taker, _ := table.Explain(host, path, method); taker != nil != (table.Match(host, path, method) >= 0) {
			t.Error("it is explained otherwise")
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	var rules []Rule
	for i := range 300 {
		rules = append(rules, Rule{Hosts: []string{fmt.Sprintf("site%d.example.org", i)},
			Paths: []string{"/api/*", "/static/*", "/"}})
	}
	table, err := Compile(rules)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		table.Match("site200.example.org", "/api/v1/users", "GET")
	}
}
