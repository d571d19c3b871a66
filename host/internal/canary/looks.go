// looks.go: when the evidence is looked at. The more often, the sooner trouble is seen, and the less each look may
// claim; so the pauses grow with the time that has passed.

package canary

import (
	"slices"
	"time"
)

// The first look, and how much later each one is than the one before.
const (
	firstLook = 5 * time.Second
	lookPace  = 1.2
)

// Looks are the times, from a canary's begin, at which it is judged, with those at which steps end; the last is most,
// when it ends at the latest.
func Looks(step time.Duration, steps int, most time.Duration) (at []time.Duration) {
	for t := firstLook; t < most; t = time.Duration(float64(t) * lookPace) {
		at = append(at, t)
	}
	for i := 1; i <= steps; i++ {
		if t := time.Duration(i) * step; t < most {
			at = append(at, t)
		}
	}
	at = append(at, most)
	slices.Sort(at)
	return slices.Compact(at)
}
