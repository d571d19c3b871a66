//go:build !unix

// Writing to a pipe without waiting, where there is no such thing.

package protocol

// TryWrite takes nothing: pipes can't be asked here. See [TryWriter].
func (p Pipe) TryWrite([]byte) (int, error) { return 0, nil }
