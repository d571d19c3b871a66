// Pipe: a descriptor that frames are written to, or read from.

package protocol

import (
	"io"
	"syscall"
)

// Pipe wraps an end of a pipe that was made by os.Pipe, or inherited and is non-blocking: the writing end as a
// [TryWriter], the reading end as a reader that costs less. Where the system has no non-blocking pipes TryWrite takes
// nothing, and all frames go through the queue. It does the same for a socket of package net.
type Pipe struct{ File }

// File is what an [os.File] is, and a connection of package net.
type File interface {
	io.ReadWriteCloser
	syscall.Conn
}
