// Where the frames come from (SPEC.md §1.1): two descriptors named in the environment, or standard input and output.

package sdk

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

const framesVariable = "WORKERHOST_FRAMES"

// openFrames finds the link's two ends and puts them out of reach of whatever the program prints. Without a host it
// returns ErrNoHost.
func openFrames() (io.ReadCloser, io.WriteCloser, error) {
	value, ok := os.LookupEnv(framesVariable)
	if !ok {
		if info, err := os.Stdin.Stat(); err != nil || info.Mode()&os.ModeCharDevice != 0 {
			return nil, nil, ErrNoHost // a terminal, or the null device
		}
		return standardFrames()
	}
	_ = os.Unsetenv(framesVariable) // children must not take it for theirs
	in, out, _ := strings.Cut(value, ",")
	r, err1 := strconv.ParseUint(in, 10, 31)
	w, err2 := strconv.ParseUint(out, 10, 31)
	if err1 != nil || err2 != nil {
		return nil, nil, fmt.Errorf(
			"sdk: %s=%q: expected two descriptor numbers such as 3,4; leave it to the host to set this",
			framesVariable, value)
	}
	return inheritedFrames(int(r), int(w))
}
