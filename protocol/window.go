// Flow control, one direction of one stream (SPEC.md §6): Credit is the sender's side, Allowance the receiver's.
// Neither is safe for concurrent use; whoever owns the stream owns them.

package protocol

import "fmt"

// Credit is how many bytes of DATA a sender may still send.
type Credit int

// Take uses up to want bytes and returns how many were granted.
func (c *Credit) Take(want int) int {
	n := max(0, min(want, int(*c)))
	*c -= Credit(n)
	return n
}

// Grant adds a WINDOW's bytes. Growing past [MaxWindow] is a [*LinkError].
func (c *Credit) Grant(n int) error {
	if n < 0 || int64(*c)+int64(n) > MaxWindow {
		return &LinkError{Expected: fmt.Sprintf("a window of at most %d bytes", MaxWindow), Got: fmt.Sprintf("a WINDOW of %d on top of %d", n, *c)}
	}
	*c += Credit(n)
	return nil
}

// Allowance is how many bytes of DATA a receiver has promised to take.
type Allowance struct {
	size  int // the window offered
	left  int // what the peer may still send
	freed int // consumed, but not granted again yet
}

// NewAllowance begins with the window that was offered in HELLO or READY, in bytes.
func NewAllowance(window int) Allowance { return Allowance{size: window, left: window} }

// Receive accounts for n bytes that came. More than was granted is a [*LinkError].
func (a *Allowance) Receive(n int) error {
	if n > a.left {
		return &LinkError{Expected: fmt.Sprintf("at most %d bytes of DATA on this stream", a.left), Got: fmt.Sprint(n)}
	}
	a.left -= n
	return nil
}

// Release says that n of the received bytes have been consumed. It returns the bytes to grant in a WINDOW now, or 0 while less than half
// of the window is waiting to be granted.
func (a *Allowance) Release(n int) int {
	a.freed += n
	if a.freed*2 < a.size {
		return 0
	}
	grant := a.freed
	a.freed = 0
	a.left += grant
	return grant
}

// Left is how many bytes the peer may send before the next grant.
func (a *Allowance) Left() int { return a.left }
