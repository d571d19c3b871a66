//go:build !unix

// Pipes without waiting, where there is no such thing.

package protocol

// TryWrite takes nothing: pipes can't be asked here. See [TryWriter].
func (p Pipe) TryWrite([]byte) (int, error) { return 0, nil }

// Silent says false: it can't be known here.
func (p Pipe) Silent() bool { return false }
