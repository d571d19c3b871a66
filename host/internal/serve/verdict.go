// verdict.go has the words for each way in which a reload can end: what came of it, and what to do next.

package serve

import (
	"strings"

	"github.com/workerhost/workerhost/host/internal/control"
)

// ending is the outcome.
func (v *verdict) ending() control.Outcome {
	switch {
	case v.outcome == "":
		return control.Done
	case v.outcome != control.HostStopped && len(v.staying) > 0:
		return control.HalfWay
	}
	return v.outcome
}

// words say what came of it, and what to do next; "" if all went well.
func (v *verdict) words() string {
	if v.looked != "" {
		return v.looked
	}
	switch v.ending() {
	case control.Done:
		return ""
	case control.NotDone, control.WasAborted:
		if v.rollback && len(v.back) > 0 {
			return "the roll back did not succeed, and what it had replaced is put back"
		} else if v.rollback {
			return "nothing was rolled back: what ran goes on"
		}
	case control.HostStopped:
		return "the host stops: what starts next runs the code and the configuration that it finds then"
	case control.BadConfig:
		if v.files {
			return "the new code is live, and what is told above keeps the files that it had: mend them, and reload " +
				"again"
		}
		return "nothing was changed: mend the configuration, look at it with `host check`, and reload again"
	}
	again := "reload again when you like"
	happened := "the reload was aborted"
	if v.evidence != "" {
		return "the new code is turned back, and all clients go to the old code (" + v.evidence +
			"): " + v.remedy + ", and reload again"
	}
	if v.gate != "" {
		again, happened = "mend that, and reload again", v.gate+" failed"
	}
	if len(v.broken) > 0 {
		again = "mend " + named(v.broken) + ", and reload again"
		happened = named(v.broken) + " failed"
	}
	switch {
	case len(v.staying) > 0:
		return happened + ", and old and new code run side by side: " + again +
			", or put the old code back in its place and reload " + named(v.staying)
	case len(v.live) > 0 && len(v.back) > 0:
		return happened + ", and what it had replaced is put back; " + named(v.live) + " stays on the new code: " +
			again
	case len(v.live) > 0:
		return happened + "; " + named(v.live) + " stays on the new code: " + again
	case len(v.back) > 0:
		return happened + ", and what had been replaced is put back: " + again
	case v.outcome == control.WasAborted, len(v.broken) > 0, v.gate != "":
		return happened + " before anything was replaced: " + again
	}
	return "nothing was changed: mend what is told above, and reload again"
}

// named writes "pool a", or "pools a and b".
func named(pools []string) string {
	if len(pools) == 1 {
		return "pool " + pools[0]
	}
	last := len(pools) - 1
	return "pools " + strings.Join(pools[:last], ", ") + " and " + pools[last]
}
