//go:build unix

// The descriptors that frames travel on (SPEC.md §1.1), which user code must not reach.

package sdk

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/workerhost/workerhost/protocol"
)

// hosted says whether a host has started this program: every one that can pass descriptors on names them.
func hosted() bool {
	_, ok := os.LookupEnv(framesVariable)
	return ok
}

// inheritedFrames opens descriptors that the host passed on.
func inheritedFrames(r, w int) (io.ReadCloser, io.WriteCloser, error) {
	for _, fd := range []int{r, w} {
		unix.CloseOnExec(fd) // children must not hold the link
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, nil, fmt.Errorf("sdk: %s names descriptor %d, which is not open here (%w); start the "+
				"program itself, not through one that closes descriptors", framesVariable, fd, err)
		}
	}
	return os.NewFile(uintptr(r), "frames in"), protocol.Pipe{File: os.NewFile(uintptr(w), "frames out")}, nil
}

// standardFrames moves the link away from descriptors 0 and 1, and leaves the null device and the host's log in their
// place: for this program, for C code in it, and for its children. The streams stay blocking, as whoever started us
// may share them.
func standardFrames() (io.ReadCloser, io.WriteCloser, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, nil, fmt.Errorf("sdk: %w", err)
	}
	defer null.Close()
	var moved [2]*os.File
	for fd, place := range []int{int(null.Fd()), 2} {
		spare, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err == nil {
			err = unix.Dup2(place, fd)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("sdk: can't move descriptor %d: %w", fd, err)
		}
		moved[fd] = os.NewFile(uintptr(spare), "frames")
	}
	return moved[0], moved[1], nil
}
