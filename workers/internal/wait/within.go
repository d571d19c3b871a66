// Package wait waits for channels with a bound.
package wait

import "time"

// Within waits for c, but no longer than d, and says whether it came.
func Within(c <-chan struct{}, d time.Duration) bool {
	select {
	case <-c:
		return true
	default:
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}
