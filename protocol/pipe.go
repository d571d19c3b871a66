// Pipe: a descriptor that frames are written to, or read from.

package protocol

import "os"

// Pipe wraps an end of a pipe that was made by os.Pipe, or inherited and is non-blocking: the writing end as a
// [TryWriter], the reading end as a reader that costs less. Where the system has no non-blocking pipes TryWrite takes
// nothing, and all frames go through the queue.
type Pipe struct{ *os.File }
