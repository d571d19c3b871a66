//go:build !unix

// After a client's FIN nothing more can be waited for here, so it counts as one that has left.

package listen

import "io"

// awaitReset is the FIN itself: what happens to the socket after it can't be waited for, so its client counts as one
// that has left.
func (c *client) awaitReset() error { return io.EOF }
