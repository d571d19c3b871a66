// How many messages a client may send, and how fast (message_rate and message_burst).

package peer

import (
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// allowance is how much a client may say; one goroutine uses it.
type allowance struct {
	paid time.Duration // when the messages so far are paid off (see RateLimit), since epoch
}

// pay takes a message or a ping into account: one too many is a breach.
func (a *allowance) pay(now time.Duration, limits *SocketLimits) error {
	if limits.MessageRate <= 0 {
		return nil
	}
	step := time.Second / time.Duration(limits.MessageRate)
	burst := limits.MessageBurst
	if burst <= 0 {
		burst = limits.MessageRate
	}
	if a.paid-now > time.Duration(burst-1)*step {
		return &breach{protocol.ClosePolicy, "too many messages"}
	}
	a.paid = max(a.paid, now) + step
	return nil
}
