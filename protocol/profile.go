// What the host and a worker agree on about profiles (SPEC.md §8.6).

package protocol

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// FeatureProfile is of workers that can be asked for a profile (SPEC.md §8.6).
const FeatureProfile = "profile"

// SchemeHost is the scheme of REQUESTs that are the host's own, and no client's.
const SchemeHost = "host"

// The kinds of profiles.
const (
	ProfileCPU       = "cpu"
	ProfileHeap      = "heap"
	ProfileGoroutine = "goroutine"
)

// ProfileKinds are all of them.
var ProfileKinds = []string{ProfileCPU, ProfileHeap, ProfileGoroutine}

const (
	// MaxProfileTime is how long a profile may last.
	MaxProfileTime = 5 * time.Minute
	// MaxProfile is how many bytes a profile may have.
	MaxProfile = 16 << 20
)

const (
	profilePath = "/profile/"
	profileTime = "ms"
)

// ProfileTarget is the target of a REQUEST for a profile of a kind that lasts so long, to the millisecond.
func ProfileTarget(kind string, lasts time.Duration) string {
	return profilePath + kind + "?" + profileTime + "=" + strconv.FormatInt(lasts.Milliseconds(), 10)
}

// ParseProfileTarget reads a target as [ProfileTarget] writes it. The kind may be any; the time is one that a profile
// may last.
func ParseProfileTarget(u *url.URL) (kind string, lasts time.Duration, err error) {
	kind, ok := strings.CutPrefix(u.Path, profilePath)
	ms, bad := strconv.ParseInt(u.Query().Get(profileTime), 10, 64)
	if !ok || bad != nil || ms < 0 || ms > MaxProfileTime.Milliseconds() {
		return "", 0, fmt.Errorf("expected %s, and got %.100q", ProfileTarget("KIND", MaxProfileTime), u)
	}
	return kind, time.Duration(ms) * time.Millisecond, nil
}
