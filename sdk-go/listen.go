// ListenAndServe: one line for a program that is a worker under the host, and a server of its own without.

package sdk

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// shutdownTimeout is how long a server by itself finishes what it has: the host's drain_timeout, unless that was set.
const shutdownTimeout = 30 * time.Second

// ListenAndServe is [Serve] under the host, which listens in this program's stead: addr then counts for nothing.
// Without a host it is [http.ListenAndServe], with HTTP/2 in cleartext beside HTTP/1.1, as the host has it, so that
// the program runs by itself, too:
//
//	if err := sdk.ListenAndServe(":8080", nil); err != nil {
//		log.Fatal(err)
//	}
//
// By itself it runs the [OnStart] hooks before it listens, and the timers of [Every] while it serves; [WithName] and
// [WithConcurrency] have no meaning. SIGTERM, or an interrupt, is what a drain is under the host: no connection is
// taken any more, the [OnDrain] hooks run, what has begun is finished, for 30 seconds at most, the [OnStop] hooks run,
// and it returns nil. A second signal ends the program at once. What only a host has says so there: [Hold], [Fetch]
// and [Connections] fail with [ErrNoHost], [ServeFile] is [http.ServeFile].
//
// A host is known by the environment variable WORKERHOST_FRAMES (SPEC.md §1.1); where no descriptors are inherited, as
// on Windows, by pipes for both standard input and output. Elsewhere a link on those two alone is not seen: a worker
// that is started so calls [Serve], which takes them for the host's. Call it once, from main.
func ListenAndServe(addr string, handler http.Handler, opts ...Option) error {
	if hosted() {
		return Serve(handler, opts...)
	}
	o := options{}
	for _, opt := range opts {
		opt(&o)
	}
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	context.AfterFunc(ctx, release) // from here on a signal does what it does by default
	return o.listenAndServe(ctx, addr, handler, shutdownTimeout)
}

// listenAndServe is ListenAndServe without a host, until ctx ends. grace is for what has begun then.
func (o *options) listenAndServe(ctx context.Context, addr string, handler http.Handler, grace time.Duration) error {
	for _, hook := range o.start {
		err := hook(ctx)
		if ctx.Err() != nil {
			return nil // called off
		}
		if err != nil {
			return fmt.Errorf("sdk: the server did not start: %w", err)
		}
	}
	if addr == "" {
		addr = ":http"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("sdk: %w", err)
	}
	serving, cut := context.WithCancelCause(context.Background())
	defer cut(nil)
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols),
		BaseContext: func(net.Listener) context.Context { return serving }}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	leaving, leave := context.WithCancel(ctx)
	defer leave()
	ticking := o.tick(serving, leaving.Done(), func(message, stack string) { log.Print(message, "\n", stack) })
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }() // ends with the server
	select {
	case err = <-failed:
		leave()
		_ = server.Close() // the first error counts
	case <-ctx.Done():
		err = shutDown(server, cut, grace)
		<-failed
	}
	ticking.end()
	for _, hook := range slices.Backward(o.stop) {
		hook()
	}
	return err
}

// shutDown ends a server as a drain ends a worker: what has begun is finished, and what takes longer than grace has
// its context cancelled, and a moment to notice.
func shutDown(server *http.Server, cut context.CancelCauseFunc, grace time.Duration) error {
	wait := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return server.Shutdown(ctx)
	}
	if wait(grace) == nil {
		return nil
	}
	cut(ErrDrained)
	if wait(goneGrace) == nil {
		return nil
	}
	_ = server.Close() // ends what is left, whatever it says
	return fmt.Errorf("sdk: requests were cut off that took longer than %v to end", grace)
}
