// Socket buffers as Linux has them: a limit of the system, and for each socket twice what it asked for.

package listen

import (
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// socketBuffers is how large the buffers of a socket are.
func socketBuffers(c *net.UDPConn) (receive, send int, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	var noReceive, noSend error
	err = raw.Control(func(fd uintptr) {
		receive, noReceive = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		send, noSend = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	})
	return receive, send, err == nil && noReceive == nil && noSend == nil
}

// MostBuffer is how large the buffers of a UDP socket may become here, in bytes, counted as the kernel does: twice
// what is asked for. Processes that may administer the network go beyond it.
func MostBuffer() (receive, send int, ok bool) {
	receive, noReceive := readLimit("/proc/sys/net/core/rmem_max")
	send, noSend := readLimit("/proc/sys/net/core/wmem_max")
	return 2 * receive, 2 * send, noReceive == nil && noSend == nil
}

func readLimit(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
