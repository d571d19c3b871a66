// route.go: which requests are of one route, as far as their paths tell, and which of them are asked.

package rehearse

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// manyNames is how many names may stand in one place of a path before they count as one route.
const manyNames = 12

var (
	digits = regexp.MustCompile(`(^|[-_.,=~])\d+($|[-_.,=~])`)
	uuids  = regexp.MustCompile(`(?i)^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$`)
	hexes  = regexp.MustCompile(`(?i)(^|[-_.,=~])[0-9a-f]{8,}($|[-_.,=~])`)
	codes  = regexp.MustCompile(`(?i)^[a-z]*\d[0-9a-z]*$`) // of 20 characters and more
)

// Routes names the route of each request: its method, its path with what is a number or an id as {n} and {id}, with
// {…} where many names stand in one place, and the names of its query.
func Routes(all []Request) []string {
	routes := make([]string, len(all))
	paths := make([][]string, len(all))
	under := map[string][]int{} // by what stands before the path
	for i, r := range all {
		path, query, _ := strings.Cut(r.Target, "?")
		for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
			paths[i] = append(paths[i], general(segment))
		}
		routes[i] = queryNames(query)
		head := r.Method + " " + r.Host
		under[head] = append(under[head], i)
	}
	hosts := map[string]bool{}
	for _, r := range all {
		hosts[r.Host] = true
	}
	for _, some := range under {
		gather(paths, some, 0)
	}
	for i, r := range all {
		host := ""
		if len(hosts) > 1 {
			host = r.Host
		}
		routes[i] = r.Method + " " + host + "/" + strings.Join(paths[i], "/") + routes[i]
	}
	return routes
}

// general is a segment of a path without what is only of this one page.
func general(segment string) string {
	plain, err := url.PathUnescape(segment)
	if err != nil {
		plain = segment
	}
	name, extension := plain, ""
	if i := strings.LastIndexByte(plain, '.'); i > 0 && len(plain)-i <= 6 {
		name, extension = plain[:i], plain[i:]
	}
	if uuids.MatchString(name) || len(name) >= 20 && codes.MatchString(name) {
		return "{id}" + extension
	}
	name = replaced(digits, name, "${1}{n}${2}")
	return strings.ToValidUTF8(replaced(hexes, name, "${1}{id}${2}")+extension, "·")
}

// replaced replaces all matches, those that share a border with another one, too.
func replaced(pattern *regexp.Regexp, text, by string) string {
	for {
		next := pattern.ReplaceAllString(text, by)
		if next == text {
			return text
		}
		text = next
	}
}

// gather has the names at one depth count as one where they are many, and goes on below.
func gather(paths [][]string, some []int, depth int) {
	below := map[string][]int{}
	for _, i := range some {
		if depth < len(paths[i]) {
			below[paths[i][depth]] = append(below[paths[i][depth]], i)
		}
	}
	if len(below) > manyNames {
		gathered := map[string][]int{}
		for name, those := range below {
			one := "{…}"
			if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i <= 6 {
				one += name[i:]
			}
			for _, i := range those {
				paths[i][depth] = one
			}
			gathered[one] = append(gathered[one], those...)
		}
		below = gathered
	}
	for _, those := range below {
		gather(paths, those, depth+1)
	}
}

// queryNames are those of a query, "?a&b", in the order of the alphabet.
func queryNames(query string) string {
	var names []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if name = general(name); name != "" && !slices.Contains(names, name) && len(names) < manyNames {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return "?" + strings.Join(names, "&")
}

// Picked is a request that is asked.
type Picked struct {
	Request
	Route string `json:"route"`
}

// Pick chooses at most so many: of each route the one that the log has most often, then of each the next, the routes
// that are asked most first.
func Pick(all []Request, most int) []Picked {
	type group struct {
		times int
		those []Picked
	}
	groups := map[string]*group{}
	var order []*group
	for i, route := range Routes(all) {
		g := groups[route]
		if g == nil {
			g = &group{}
			groups[route] = g
			order = append(order, g)
		}
		g.times += all[i].Times
		g.those = append(g.those, Picked{all[i], route})
	}
	slices.SortStableFunc(order, func(a, b *group) int { return b.times - a.times })
	for _, g := range order {
		slices.SortStableFunc(g.those, func(a, b Picked) int { return b.Times - a.Times })
	}
	var picked []Picked
	for round := 0; len(picked) < min(most, len(all)); round++ {
		for _, g := range order {
			if round < len(g.those) && len(picked) < most {
				picked = append(picked, g.those[round])
			}
		}
	}
	return picked
}
