// token.go: names of the application's as the engine can have them.

package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Token writes a name so that it may be a part of a subject, and of the name of a stream or of a bucket, each name in
// its own way: letters and digits stay, all other bytes are "_" and two hexadecimal digits. The empty name is "_".
func Token(name string) string {
	if name == "" {
		return "_"
	}
	var b strings.Builder
	for _, c := range []byte(name) {
		if '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

// Name is the name that Token has written; ok is false if it has written none such.
func Name(token string) (name string, ok bool) {
	if token == "_" {
		return "", true
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		if token[i] != '_' {
			b.WriteByte(token[i])
			continue
		}
		var c byte
		if _, err := fmt.Sscanf(token[i:min(i+3, len(token))], "_%02x", &c); err != nil {
			return "", false
		}
		b.WriteByte(c)
		i += 2
	}
	return b.String(), Token(b.String()) == token
}

// Away says whether an error means that the engine was not there, or did not answer: what was asked may have been done
// or not.
func Away(err error) bool {
	for _, each := range []error{ErrUnavailable, nats.ErrConnectionClosed, nats.ErrDisconnected, nats.ErrTimeout,
		nats.ErrNoResponders, nats.ErrReconnectBufExceeded, nats.ErrConnectionReconnecting,
		jetstream.ErrNoStreamResponse, jetstream.ErrJetStreamNotEnabled, context.DeadlineExceeded} {
		if errors.Is(err, each) {
			return true
		}
	}
	return false
}

// oneTry is how long a question may wait that may have been asked on a connection which was about to end.
const oneTry = time.Second

// Again does what may be done twice, again and again while the engine is [Away], until ctx ends, for [Patience] at
// most; each try has a second. Where nothing was answered for longer than that, one try is all. The error of the last
// try wraps [ErrUnavailable] then.
func (e *Engine) Again(ctx context.Context, do func(ctx context.Context, js jetstream.JetStream) error) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	since := e.mute.Load()
	hopeless := since != nil && time.Since(*since) > Patience
	for try := 0; ; try++ {
		js, err := e.JetStream(ctx)
		if err == nil {
			one, done := context.WithTimeout(ctx, oneTry)
			err = do(one, js)
			done()
		}
		if !Away(err) {
			e.mute.Store(nil)
			return err
		}
		if !errors.Is(ctx.Err(), context.Canceled) { // else it had no time to answer
			now := time.Now()
			e.mute.CompareAndSwap(nil, &now)
		}
		if hopeless || !slept(ctx, pause(try)) {
			if errors.Is(err, ErrUnavailable) {
				return err
			}
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// slept waits. It says false if ctx has ended before.
func slept(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}
