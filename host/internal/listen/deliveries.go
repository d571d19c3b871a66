// Connections that net/http gets from a goroutine of their own, and not from the socket.

package listen

import (
	"context"
	"errors"
	"net"
	"sync"
)

// deliveries implements acceptor. Whoever has prepared a connection delivers it.
type deliveries struct {
	net.Listener
	ready   chan accepted
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

type accepted struct {
	conn net.Conn
	err  error
}

func newDeliveries(in net.Listener) *deliveries {
	ctx, cancel := context.WithCancel(context.Background())
	return &deliveries{Listener: in, ready: make(chan accepted), ctx: ctx, cancel: cancel}
}

// acceptUntil implements acceptor.
func (d *deliveries) acceptUntil(retired <-chan struct{}) (net.Conn, error) {
	select {
	case a := <-d.ready:
		return a.conn, a.err
	case <-retired:
		return nil, net.ErrClosed
	case <-d.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener, and waits for all that prepare one. They have to end with ctx.
func (d *deliveries) Close() error {
	d.cancel()
	err := d.Listener.Close()
	d.running.Wait()
	return err
}

// acceptEach has each connection of the socket prepared on a goroutine of its own.
func (d *deliveries) acceptEach(prepare func(net.Conn)) {
	d.accept(func(c net.Conn) { d.running.Go(func() { prepare(c) }) })
}

// accept has connections of the socket taken, one after the other.
func (d *deliveries) accept(take func(net.Conn)) {
	d.running.Go(func() { // ends with the listener; Close waits for it
		for {
			c, err := d.Listener.Accept()
			if err == nil {
				take(c)
			} else if errors.Is(err, net.ErrClosed) || !d.deliver(accepted{err: err}) {
				return // what is being prepared is still delivered
			} // else net/http has waited before it came for this one
		}
	})
}

// deliver says whether somebody took it.
func (d *deliveries) deliver(a accepted) bool {
	select {
	case d.ready <- a:
		return true
	case <-d.ctx.Done():
		return false
	}
}
