// Socket buffers where nobody can say how large they are.

//go:build !linux

package listen

import "net"

// socketBuffers is how large the buffers of a socket are.
func socketBuffers(*net.UDPConn) (receive, send int, ok bool) { return 0, 0, false }

// MostBuffer is how large the buffers of a UDP socket may become here, in bytes; ok is false where that is not known.
func MostBuffer() (receive, send int, ok bool) { return 0, 0, false }
