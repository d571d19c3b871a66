// The clock for times that are noted often, or kept for many connections.

package peer

import "time"

// epoch lies so far back that no time is before it, not even in a test's bubble.
var epoch = time.Now().Add(-100 * 365 * 24 * time.Hour)

// sinceEpoch is the time of what is noted often, or kept for many: monotonic, in eight bytes.
func sinceEpoch() time.Duration { return time.Since(epoch) }
