// name.go: what a listener's socket is called in the store of the service manager.

package activation

import (
	"fmt"
	"strings"
)

const (
	storedStream  = "host.stream."
	storedPackets = "host.packets."
	// longestName is what a manager takes (sd_pid_notify_with_fds(3)).
	longestName = 255
)

// StoreName is the name by which the socket of a listener is stored: its address, with what no name may have escaped
// as in URLs. It is "" where that is too long to be one.
func StoreName(address string, packets bool) string {
	var b strings.Builder
	if b.WriteString(storedStream); packets {
		b.Reset()
		b.WriteString(storedPackets)
	}
	for _, c := range []byte(address) {
		if c <= ' ' || c >= 0x7f || c == ':' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	if b.Len() > longestName {
		return ""
	}
	return b.String()
}

// isStored says whether the name is one that [StoreName] makes, and of which kind.
func isStored(name string) (packets, ok bool) {
	packets = strings.HasPrefix(name, storedPackets)
	return packets, packets || strings.HasPrefix(name, storedStream)
}
