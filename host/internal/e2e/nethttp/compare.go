// The comparison: a list of questions, each asked of a handler under net/http and behind the host.

package nethttp

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// Question is a request to a program.
type Question struct {
	Name    string
	Request string // as it goes over the wire; "{cookie}" stands for the last cookie that this server has set
	Rest    string // of the request, sent once the answer has come
	Differs string // by which rows of [Differences], with commas between them; "" is by none
}

// Differences are the rows of the table in sdk-go/README.md, each with what takes it away from what a client has seen.
var Differences = map[string]func(s *Seen){
	"Framing":               func(s *Seen) { s.drop("Content-Length: ", "Transfer-Encoding: ") },
	"End of the connection": func(s *Seen) { s.drop("Connection: ") },
	"Broken responses": func(s *Seen) {
		if s.Broken {
			*s = Seen{Broken: true}
		}
	},
	"Names of fields": func(s *Seen) {
		for i, line := range s.Header {
			s.Header[i] = strings.ToLower(line)
		}
		slices.Sort(s.Header)
	},
	"Panics":           func(s *Seen) { *s = Seen{} },
	"Hijack":           func(s *Seen) { *s = Seen{} },
	"ServerContextKey": func(s *Seen) { *s = Seen{} },
}

// Compare serves a program by a plain server, and by a host with the lane and by one without it. It asks each question
// of all three, and fails where clients see more of a difference than the question has.
func Compare(t *testing.T, program func() http.Handler, questions ...Question) {
	t.Helper()
	servers := []*server{
		{name: "net/http", address: Plain(t, program())},
		{name: "the lane", address: Behind(t, program(), true)},
		{name: "the host", address: Behind(t, program(), false)},
	}
	for _, q := range questions {
		t.Run(q.Name, func(t *testing.T) {
			want, quick := servers[0].ask(t, q)
			for _, s := range servers[1:] {
				got, took := s.ask(t, q)
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%-8s %s\n%-8s %s", s.name, got, servers[0].name, want)
				}
				if took > quick+500*time.Millisecond {
					t.Errorf("%s takes %v, where %s takes %v", s.name, took, servers[0].name, quick)
				}
			}
		})
	}
}

// server is one of those that are compared.
type server struct {
	name, address string
	cookie        string // NAME=VALUE
}

// ask gives what a client sees, without what may differ and what is another's for each server.
func (s *server) ask(t *testing.T, q Question) (seen Seen, took time.Duration) {
	t.Helper()
	seen, took = ask(t, s.address, strings.ReplaceAll(q.Request, "{cookie}", s.cookie), q.Rest)
	for i, line := range seen.Header {
		if cookie, ok := strings.CutPrefix(line, "Set-Cookie: "); ok {
			s.cookie, _, _ = strings.Cut(cookie, ";")
			seen.Header[i] = strings.Replace(line, s.cookie, "{cookie}", 1)
		}
	}
	for name := range strings.SplitSeq(q.Differs, ", ") {
		if excuse := Differences[name]; excuse != nil {
			excuse(&seen)
		} else if name != "" {
			t.Fatalf("there is no difference %q", name)
		}
	}
	return seen, took
}

// drop takes fields away.
func (s *Seen) drop(prefixes ...string) {
	s.Header = slices.DeleteFunc(s.Header, func(line string) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(line, prefix) })
	})
}

// String is for messages.
func (s Seen) String() string {
	return fmt.Sprintf("%q %q %q body %.200q trailer %q broken %t", s.Early, s.Status, s.Header, s.Body, s.Trailer,
		s.Broken)
}
