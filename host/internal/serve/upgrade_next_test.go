package serve

import (
	"errors"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestAnUpgradeThatTakesTheHostWithItIsNotSaidToHaveChangedNothing(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		outcome control.Outcome
		goesOn  bool
	}{
		"before the connections went": {errors.New("no program"), control.NotDone, true},
		"when they have gone":         {lost{errors.New("it does not take over")}, control.HostStopped, false},
	} {
		outcome, what := failed(c.err)
		if outcome != c.outcome || strings.Contains(what, "goes on") != c.goesOn ||
			!strings.Contains(what, c.err.Error()) {
			t.Errorf("%s: %s, %q", name, outcome, what)
		}
	}
}
