//go:build unix

// Pipes without waiting.

package protocol

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// Read reads what is there, and waits only if there is nothing.
func (p Pipe) Read(b []byte) (n int, err error) {
	raw, err := p.SyscallConn()
	if err != nil {
		return 0, err
	}
	var rerr error
	err = raw.Read(func(fd uintptr) bool {
		n, rerr = readNow(fd, b)
		return rerr != syscall.EAGAIN
	})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, err
	case err != nil:
		return 0, os.ErrClosed
	case rerr != nil:
		return 0, rerr
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Silent says that there is nothing to be read, and that the other end has not been closed. What there is may be lost.
func (p Pipe) Silent() (silent bool) {
	raw, err := p.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Read(func(fd uintptr) bool {
		_, e := readNow(fd, make([]byte, 1))
		silent = e == syscall.EAGAIN
		return true
	})
	return err == nil && silent
}

// TryWrite writes what the pipe has room for. See [TryWriter].
func (p Pipe) TryWrite(b []byte) (n int, err error) {
	raw, err := p.SyscallConn()
	if err != nil {
		return 0, err
	}
	var werr error
	err = raw.Write(func(fd uintptr) bool {
		for n < len(b) {
			m, e := writeNow(fd, b[n:])
			if e == syscall.EAGAIN {
				break
			}
			if e != nil {
				werr = e
				break
			}
			n += m
		}
		return true // done either way: never park here
	})
	if err == nil {
		err = werr
	}
	return n, err
}
