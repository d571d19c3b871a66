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

// Grant adds the bytes of a WINDOW on the stream. Growing past [MaxWindow] is a [*LinkError].
func (c *Credit) Grant(stream uint32, n int) error {
	if n < 0 || int64(*c)+int64(n) > MaxWindow {
		return &LinkError{
			Expected: fmt.Sprintf("a window of at most %d bytes on stream %d", MaxWindow, stream),
			Got:      fmt.Sprintf("a WINDOW of %d on top of %d", n, *c), Section: "6.2",
		}
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

// Receive accounts for n bytes that came on the stream. More than was granted is a [*LinkError].
func (a *Allowance) Receive(stream uint32, n int) error {
	if n > a.left {
		return &LinkError{
			Expected: fmt.Sprintf("at most %d bytes of DATA on stream %d", a.left, stream),
			Got:      fmt.Sprintf("%d, which is %d more than its window", n, n-a.left), Section: "6.1",
		}
	}
	a.left -= n
	return nil
}

// Release says that n of the received bytes have been consumed. It returns the bytes to grant in a WINDOW now, or 0
// while less than half of the window is waiting to be granted.
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
