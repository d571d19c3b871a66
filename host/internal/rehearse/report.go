// report.go: what a rehearsal has found.

package rehearse

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/workerhost/workerhost/host/internal/redact"
)

const noAnswer = "none"

// Why of an answer something was not compared.
const (
	leftLimited  = "limited"  // the old stack says 429, or a pool has no worker for it
	leftUnsteady = "unsteady" // the bodies of the old stack have too little in common with one another
	leftPassing  = "passing"  // it differed, and did not when it was asked once more
)

// Report is what was found.
type Report struct {
	Asked    int            `json:"asked"`        // requests that both stacks were asked
	NotAsked int            `json:"not_asked"`    // for which there was no time
	Differ   int            `json:"differ"`       // whose answers differ
	Left     map[string]int `json:"not_compared"` // by why: limited, unsteady, passing
	Old      Side           `json:"old"`
	New      Side           `json:"new"`
	Groups   []Group        `json:"differences,omitempty"` // the status first, then the most frequent
	Routes   []Route        `json:"routes"`                // all that were asked, by name

	why [2]string // the latest answer that there is none
}

// Side is one stack.
type Side struct {
	Name     string         `json:"name"`
	Statuses map[string]int `json:"statuses"` // 2xx and so on, and none: no answer
	Typical  float64        `json:"typical_ms"`
	P95      float64        `json:"p95_ms"`
	CPU      *float64       `json:"cpu_ms,omitempty"` // for one answer; nil: it is not known
	answers  int
}

// Group is what answers of one route differ in.
type Group struct {
	Route   string  `json:"route"`
	Kind    string  `json:"kind"`
	Count   int     `json:"count"` // requests
	Example Example `json:"example"`
}

// Example is the first of a group, without the secrets that are known by their names.
type Example struct {
	Request string `json:"request"` // "GET /cart?token=REDACTED"
	Difference
}

// Route is what was asked of one route.
type Route struct {
	Name   string  `json:"name"` // "GET /article/{n}"
	Asked  int     `json:"asked"`
	Differ int     `json:"differ"`
	Old    float64 `json:"old_ms"` // the typical time until the whole answer, the first time that it was asked
	New    float64 `json:"new_ms"`
	times  [2][]time.Duration
}

func newReport(old, new string) *Report {
	return &Report{Left: map[string]int{}, Old: Side{Name: old, Statuses: map[string]int{}},
		New: Side{Name: new, Statuses: map[string]int{}}}
}

func (r *Report) sides() [2]*Side { return [2]*Side{&r.Old, &r.New} }

// note adds the answers to one request.
func (r *Rehearsal) note(p *Picked, olds, news []*Answer, found verdict, left string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	route := r.routes[p.Route]
	if route == nil {
		route = &Route{Name: p.Route}
		r.routes[p.Route] = route
	}
	route.Asked++
	r.report.Asked++
	for i, answers := range [][]*Answer{olds, news} {
		side, a := r.report.sides()[i], answers[0]
		side.answers += len(answers)
		if a.Status == 0 {
			side.Statuses[noAnswer]++
			r.report.why[i] = a.Failure
			continue
		}
		side.Statuses[fmt.Sprintf("%dxx", a.Status/100)]++
		r.times[i] = append(r.times[i], a.Took)
		route.times[i] = append(route.times[i], a.Took)
	}
	if left != "" {
		r.report.Left[left]++
	}
	if len(found.differences) > 0 {
		r.report.Differ++
		route.Differ++
	}
	for _, d := range found.differences {
		key := [2]string{p.Route, d.Kind}
		if g := r.groups[key]; g != nil {
			g.Count++
			continue
		}
		r.groups[key] = &Group{Route: p.Route, Kind: d.Kind, Count: 1,
			Example: Example{p.Method + " " + redact.URL(p.Host+p.Target), d}}
	}
}

// Answers are how many the stacks gave.
func (r *Rehearsal) Answers() (old, new int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.report.Old.answers, r.report.New.answers
}

// Asked is how many requests are over.
func (r *Rehearsal) Asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.report.Asked
}

// Report is what was found until now.
func (r *Rehearsal) Report() *Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	made := *r.report
	made.Left = maps.Clone(made.Left)
	for i, side := range made.sides() {
		side.Statuses = maps.Clone(side.Statuses)
		side.Typical, side.P95 = quantile(r.times[i], 0.5), quantile(r.times[i], 0.95)
	}
	for _, g := range r.groups {
		made.Groups = append(made.Groups, *g)
	}
	slices.SortFunc(made.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), b.Count-a.Count, cmp.Compare(a.Route, b.Route),
			cmp.Compare(a.Kind, b.Kind))
	})
	made.Routes = []Route{}
	for _, route := range r.routes {
		shown := *route
		shown.Old, shown.New = quantile(route.times[0], 0.5), quantile(route.times[1], 0.5)
		made.Routes = append(made.Routes, shown)
	}
	slices.SortFunc(made.Routes, func(a, b Route) int { return cmp.Compare(a.Name, b.Name) })
	return &made
}

func rank(kind string) int {
	if kind == "status" {
		return 0
	}
	return 1
}

// quantile is that of times, in milliseconds; 0 without any.
func quantile(times []time.Duration, q float64) float64 {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	at := sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
	return float64(at.Microseconds()) / 1000
}
