//go:build !unix

// Whether a kept connection still stands, where that can't be known.

package fastcgi

import "net"

// stands says that it can't be known here, so that no connection is used twice.
func stands(net.Conn) bool { return false }
