// Whether an address could be listened on, asked without listening on it.

package listen

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ProbeUDP says whether an address could be listened on for datagrams now. Its errors are those of Server.Listen.
func ProbeUDP(address string) error {
	c, err := bindUDP(address)
	if err != nil {
		return err
	}
	return c.Close()
}

// Probe says whether an address could be listened on now, and leaves things as they are. Its errors are those of
// Server.Listen.
func Probe(address string) error {
	path, isUnix := strings.CutPrefix(address, unixPrefix)
	if !isUnix {
		l, err := bind(address)
		if err != nil {
			return err
		}
		return l.Close()
	}
	if _, err := os.Lstat(path); err == nil {
		c, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			c.Close()
			return fmt.Errorf("listen on %s: another process listens there: stop it, or choose another path", address)
		}
		return nil // left by a host that is gone, which the next one replaces
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("listen on %s: its folder does not exist, or is a symlink to what does not: create it "+
			"first", address)
	}
	return nil
}
