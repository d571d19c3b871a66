// goals.go compares the servers of a run with each other, and with what we mean to reach.

package main

import "strings"

// goal is a ratio within the run, and how large it may be.
type goal struct {
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Most  float64 `json:"goal"`
}

// workerman is how the name of a --target begins that serves the greeting with Workerman.
const workerman = "workerman"

// compare works out the ratios of what was measured. Where a server was not, there is none.
func (r *report) compare(all cast) {
	cpu := func(m measurement) float64 { return m.CPU }
	php, golang, nginx, plain := all.name["hello-php"], all.name["hello-go"], all.name["nginx"], all.name["net-http"]
	for _, servers := range [][]measuredServer{r.Servers, r.Browser, r.oneConnection()} {
		if ours, ok := find(servers, php); ok {
			for i := range servers {
				servers[i].Ratio = ratio(ours, servers[i], cpu)
			}
		}
	}
	add := func(what string, servers []measuredServer, of, to string, most float64) {
		ours, ok := find(servers, of)
		theirs, too := find(servers, to)
		if ok && too {
			what += ", " + ours.Name + " ÷ " + theirs.Name
			r.Goals = append(r.Goals, goal{what, ratio(ours, theirs, cpu), most})
		}
	}
	add("CPU per request", r.Servers, php, workerman, 1.2)
	add("CPU per request", r.Servers, php, nginx, 0.25)
	add("CPU per request of a browser's kind", r.Browser, php, workerman, 0.9)
	add("CPU per request", r.Servers, golang, plain, 1)
	ours, ok := find(r.oneConnection(), php)
	theirs, too := find(r.oneConnection(), plain)
	if ok && too {
		what := "p50 of one connection, " + ours.Name + " ÷ (" + theirs.Name + " + a bare round trip)"
		r.Goals = append(r.Goals, goal{what, ours.Median.P50 / (theirs.Median.P50 + r.OneConnection.Pipe), 1.1})
	}
}

func (r *report) oneConnection() []measuredServer {
	if r.OneConnection == nil {
		return nil
	}
	return r.OneConnection.Servers
}

// find finds the first server whose name begins so.
func find(servers []measuredServer, name string) (measuredServer, bool) {
	for _, s := range servers {
		if name != "" && strings.HasPrefix(s.Name, name) {
			return s, true
		}
	}
	return measuredServer{}, false
}
