// interrupt.go: how a command that waits for a host is interrupted.

package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// UntilInterrupted ends when the user interrupts a command; its cause is an *interrupted then.
func UntilInterrupted() (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	incoming := make(chan os.Signal, 1)
	signal.Notify(incoming, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-incoming:
			cancel(&interrupted{signal: s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(incoming)
		cancel(nil)
	}
}
