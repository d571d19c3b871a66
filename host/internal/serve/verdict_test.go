package serve

import (
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestEachEndingOfAReloadSaysWhatCameOfItAndWhatToDo(t *testing.T) {
	a, b := []string{"a"}, []string{"b"}
	for _, c := range []struct {
		verdict verdict
		outcome control.Outcome
		words   string
	}{
		{verdict{}, control.Done, ""},
		{verdict{outcome: control.NotDone, broken: b}, control.NotDone,
			"pool b failed before anything was replaced: mend pool b, and reload again"},
		{verdict{outcome: control.NotDone, broken: b, back: []string{"b", "a"}}, control.NotDone,
			"pool b failed, and what had been replaced is put back: mend pool b, and reload again"},
		{verdict{outcome: control.NotDone, broken: b, live: a}, control.NotDone,
			"pool b failed; pool a stays on the new code: mend pool b, and reload again"},
		{verdict{outcome: control.NotDone, broken: b, live: a, back: b}, control.NotDone,
			"pool b failed, and what it had replaced is put back; pool a stays on the new code: mend pool b, and " +
				"reload again"},
		{verdict{outcome: control.NotDone, broken: b, staying: a}, control.HalfWay,
			"pool b failed, and old and new code run side by side: mend pool b, and reload again, or put the old " +
				"code back in its place and reload pool a"},
		{verdict{outcome: control.WasAborted}, control.WasAborted,
			"the reload was aborted before anything was replaced: reload again when you like"},
		{verdict{outcome: control.WasAborted, back: a}, control.WasAborted,
			"the reload was aborted, and what had been replaced is put back: reload again when you like"},
		{verdict{outcome: control.WasAborted, live: a}, control.WasAborted,
			"the reload was aborted; pool a stays on the new code: reload again when you like"},
		{verdict{outcome: control.WasAborted, staying: b}, control.HalfWay,
			"the reload was aborted, and old and new code run side by side: reload again when you like, or put the " +
				"old code back in its place and reload pool b"},
		{verdict{outcome: control.NotDone}, control.NotDone,
			"nothing was changed: mend what is told above, and reload again"},
		{verdict{outcome: control.BadConfig}, control.BadConfig,
			"nothing was changed: mend the configuration, look at it with `host check`, and reload again"},
		{verdict{outcome: control.BadConfig, files: true}, control.BadConfig,
			"the new code is live, and what is told above keeps the files that it had: mend them, and reload again"},
		{verdict{outcome: control.HostStopped, staying: a}, control.HostStopped,
			"the host stops: what starts next runs the code and the configuration that it finds then"},
	} {
		if outcome, words := c.verdict.ending(), c.verdict.words(); outcome != c.outcome || words != c.words {
			t.Errorf("%+v\n%s: %s\ninstead of\n%s: %s", c.verdict, outcome, words, c.outcome, c.words)
		}
	}
}
