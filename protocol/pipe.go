// Pipe: a descriptor that frames are written to.

package protocol

import "os"

// Pipe wraps the writing end of a pipe, made by os.Pipe or inherited and non-blocking, as a [TryWriter]. Where the
// system has no non-blocking pipes TryWrite takes nothing, and all frames go through the queue.
type Pipe struct{ *os.File }
