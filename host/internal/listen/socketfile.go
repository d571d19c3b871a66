// The file of a unix socket: whose it is, and who may connect.

package listen

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// SocketFile is what the file of a unix socket has. The zero one is as the host makes it.
type SocketFile struct {
	Mode     fs.FileMode // 0: by the umask
	UID, GID int         // -1 leaves it; they count with a mode alone
}

// grant gives the file of a unix socket what it is to have. Nobody is let in before it is whose it should be.
func (f SocketFile) grant(address string) error {
	path, ok := strings.CutPrefix(address, unixPrefix)
	if !ok || f.Mode == 0 {
		return nil
	}
	if f.UID >= 0 || f.GID >= 0 {
		if err := os.Chown(path, f.UID, f.GID); err != nil {
			return fmt.Errorf("listen on %s: %w; to give the socket away the host has to be root, or a member of the "+
				"group", address, err)
		}
	}
	if err := os.Chmod(path, f.Mode); err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	return nil
}
