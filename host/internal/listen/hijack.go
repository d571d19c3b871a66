// How a connection becomes a peer's once net/http has let go of it.

package listen

import (
	"fmt"
	"net"
)

// letGo finds the socket below what net/http has let go of, and leaves all between behind, save TLS.
func letGo(held net.Conn) (below socket, s *sock) {
	strict := strictBelow(held)
	if strict == nil {
		panic(fmt.Sprintf("listen: a %T became a long-lived connection", held))
	}
	c := strict.below()
	c.timeout = strict.server.socketWriteTimeout // for a socket that is not written directly, as over TLS
	c.strikes.Store(0)
	if strict.Conn == net.Conn(c) {
		return c, newSock(c, c.Conn)
	}
	return c, newSock(strict.Conn, nil)
}
