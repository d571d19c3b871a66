//go:build !unix

// Where descriptors are not inherited, frames travel on standard input and output (SPEC.md §1.1).

package sdk

import (
	"fmt"
	"io"
	"os"
)

// hosted says whether a host has started this program: it has a pipe for each way, where a server has a terminal, a
// file or nothing.
func hosted() bool {
	for _, f := range []*os.File{os.Stdin, os.Stdout} {
		if info, err := f.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
			return false
		}
	}
	return true
}

// inheritedFrames has no descriptors to open here.
func inheritedFrames(r, w int) (io.ReadCloser, io.WriteCloser, error) {
	return nil, nil, fmt.Errorf(
		"sdk: %s=%d,%d: descriptors are not inherited on this system; unset it to use standard input and output",
		framesVariable, r, w)
}

// standardFrames keeps the link for itself: what the program prints through os.Stdout goes to the host's log from here
// on, and os.Stdin is empty.
func standardFrames() (io.ReadCloser, io.WriteCloser, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, nil, fmt.Errorf("sdk: %w", err)
	}
	r, w := os.Stdin, os.Stdout
	os.Stdin, os.Stdout = null, os.Stderr
	return r, w, nil
}
