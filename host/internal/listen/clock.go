package listen

import "time"

var epoch = time.Now()

// sinceEpoch is the time of what is noted often, or kept for many: monotonic, in eight bytes.
func sinceEpoch() time.Duration { return time.Since(epoch) }
