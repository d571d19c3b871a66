// Service times are measured apart for routes, which Settings.Measure names, and for all other requests together: so
// there are as many as somebody wrote down, whatever paths clients ask for.

package workers

import (
	"path"
	"strconv"
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
	asked := CanonicalPath(request.Target)
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

// CanonicalPath is the one spelling of a target's path: escapes of unreserved characters (RFC 3986 §2.3) are decoded,
// dot segments resolved and doubled slashes joined. Other escapes, and letters' case, stay. What is no path stays as
// it is.
func CanonicalPath(target string) string {
	asked, _, _ := strings.Cut(target, "?")
	if !strings.HasPrefix(asked, "/") {
		return asked
	}
	if strings.Contains(asked, "%") {
		asked = decodeUnreserved(asked)
	}
	if strings.Contains(asked, "//") || strings.Contains(asked, "/.") {
		folder := strings.HasSuffix(asked, "/") || strings.HasSuffix(asked, "/.") || strings.HasSuffix(asked, "/..")
		if asked = path.Clean(asked); folder && asked != "/" {
			asked += "/"
		}
	}
	return asked
}

func decodeUnreserved(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil && unreserved(byte(c)) {
				out.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func unreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
