//go:build unix

// Writing to a pipe without waiting.

package protocol

import "syscall"

// TryWrite writes what the pipe has room for. See [TryWriter].
func (p Pipe) TryWrite(b []byte) (n int, err error) {
	raw, err := p.SyscallConn()
	if err != nil {
		return 0, err
	}
	var werr error
	err = raw.Write(func(fd uintptr) bool {
		for n < len(b) {
			m, e := syscall.Write(int(fd), b[n:])
			if e == syscall.EINTR {
				continue
			}
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
