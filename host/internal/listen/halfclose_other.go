//go:build !unix

package listen

import "io"

// awaitReset is the FIN itself: what happens to the socket after it can't be waited for, so its client counts as one
// that has left.
func (c *client) awaitReset() error { return io.EOF }
