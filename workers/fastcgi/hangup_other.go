//go:build !linux

// Hanging up where nothing more can be seen.

package fastcgi

import "net"

// hangUp returns at once: the system can't tell when the server is done with a connection of which we read no more.
func hangUp(net.Conn, bool, <-chan struct{}) {}
