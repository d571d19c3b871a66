package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestStatusShowsAPoolsFetches(t *testing.T) {
	for want, f := range map[string]*control.Fetches{
		"  fetches: 3 under way of 10 at once; over: 12 complete, 1 left; refused: 2 not allowed\n": {
			UnderWay: 3, AtOnce: 10, Ends: map[string]uint64{"left": 1, "complete": 12, "broke": 0},
			Refused: map[string]uint64{"not allowed": 2, "crowd": 0}},
		"  fetches: 10 under way of 10 at once: the next ones are refused; 1 told to no worker yet\n": {
			UnderWay: 10, AtOnce: 10, Untold: 1},
		"  fetches: 0 under way, no more are allowed; over: 1 broke\n": {Ends: map[string]uint64{"broke": 1}},
		"0 queued\n": nil,
	} {
		var out bytes.Buffer
		showStatus(&Terminal{Out: &out}, control.Status{Pools: []control.Pool{
			{Name: "app", Generation: 1, Fetches: f}}})
		if !strings.HasSuffix(out.String(), want) {
			t.Errorf("no %q at the end of\n%s", want, out.String())
		}
	}
}
