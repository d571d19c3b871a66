// How a connection becomes a peer's once net/http has let go of it.

package listen

import (
	"fmt"
	"net"

	"github.com/workerhost/workerhost/host/internal/peer"
)

// letGo finds the socket below what net/http has let go of, and leaves all between behind, save TLS.
func letGo(held net.Conn) (below peer.Socket, s *peer.Sock) {
	strict := strictBelow(held)
	if strict == nil {
		panic(fmt.Sprintf("listen: a %T became a long-lived connection", held))
	}
	c := strict.below()
	c.timeout = strict.server.socketWriteTimeout // for a socket that is not written directly, as over TLS
	c.strikes.Store(0)
	if strict.Conn == net.Conn(c) {
		return c, peer.NewSock(c, c.Conn)
	}
	return c, peer.NewSock(strict.Conn, nil)
}
