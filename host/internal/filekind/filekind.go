// Package filekind names what stands at a path, for messages about something else that should be there.
package filekind

import (
	"io/fs"
	"os"
)

// Name says what is at path, in words such as "a folder". A symlink is not followed: its target is named. "nothing"
// is there, too, if the system does not tell.
func Name(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return "nothing"
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return "a regular file"
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		if target, err := os.Readlink(path); err == nil {
			return "a symlink to " + target
		}
		return "a symlink"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	}
	return "a device"
}
