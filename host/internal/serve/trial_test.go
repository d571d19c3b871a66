package serve

import (
	"context"
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/protocol"
)

// answered keeps the answer to a call.
type answered struct{ result *protocol.Result }

func (a *answered) Reply(_ uint32, r *protocol.Result) { a.result = r }
func (a *answered) Waiting(uint32) context.Context     { return context.Background() }

func TestAWorkerOnTrialSaysNoMoreThanThereIsToSay(t *testing.T) {
	list := func(items ...any) []any { return items }
	for name, c := range map[string]struct {
		arguments []any
		refused   bool
	}{
		"all is well":         {[]any{3, list(), list(), list()}, false},
		"one failed":          {[]any{3, list("c"), list(0), list("why, password=x")}, false},
		"too few arguments":   {[]any{3, list()}, true},
		"of another type":     {[]any{"3", list(), list(), list()}, true},
		"more than there are": {[]any{4, list(), list(), list()}, true},
		"less than none":      {[]any{-1, list(), list(), list()}, true},
		"more failed":         {[]any{1, list("a", "b"), list(0, 0), list("", "")}, true},
		"uneven":              {[]any{3, list("a"), list(), list("")}, true},
	} {
		r := &trial{over: make(chan struct{}), sessions: &control.Sessions{Live: 5, Sample: 3}}
		m := &protocol.Call{Method: protocol.CallUpgraded}
		for _, a := range c.arguments {
			v, err := protocol.NewValue(a)
			if err != nil {
				t.Fatal(err)
			}
			m.Arguments = append(m.Arguments, v)
		}
		for range 2 { // what is said twice is refused the second time
			var to answered
			r.Call(m, protocol.NewCaller(&to, 2))
			if refused := to.result.Code == protocol.CallInvalidArgument; refused != c.refused {
				t.Errorf("%s: %+v", name, to.result)
			}
			c.refused = true
		}
		for _, f := range r.sessions.Failed {
			if f.ID != "c" || f.Error != "why, password=REDACTED" || r.sessions.Upgraded != 2 {
				t.Errorf("%s: %+v", name, r.sessions)
			}
		}
	}
}
