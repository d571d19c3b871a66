// Service times are measured apart for routes, which Settings.Measure names, and for all other requests together: so
// there are as many as somebody wrote down, whatever paths clients ask for.

package workers

import (
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// Route is how long a generation's workers took for the requests of one route.
type Route struct {
	Name    string // as in Settings.Measure, or [OtherRoutes]
	Service Histogram
}

// OtherRoutes is the name of what is in no route.
const OtherRoutes = "other"

// routes measures. It is nil where nothing is to be measured.
type routes struct {
	names []string // a path, or all below it if it ends in /*
	times []histogram
}

func newRoutes(names []string) *routes {
	if len(names) == 0 {
		return nil
	}
	return &routes{names: names, times: make([]histogram, len(names)+1)} // the last one is of the others
}

// of gives the times of a request's route: the path itself wins, and then the longest that it is below.
func (r *routes) of(request *protocol.Request) *histogram {
	at, longest := len(r.names), 0
	asked, _ := protocol.CanonicalPath(request.Target)
	for i, name := range r.names {
		below, open := strings.CutSuffix(name, "*")
		switch {
		case name == asked:
			return &r.times[i]
		case open && len(below) > longest && strings.HasPrefix(asked, below):
			at, longest = i, len(below)
		}
	}
	return &r.times[at]
}

func (r *routes) snapshot() (all []Route) {
	if r == nil {
		return nil
	}
	for i, name := range append(r.names[:len(r.names):len(r.names)], OtherRoutes) {
		all = append(all, Route{name, r.times[i].snapshot()})
	}
	return all
}
