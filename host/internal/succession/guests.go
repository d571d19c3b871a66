// Guests: connections over TLS whose bytes this host goes on copying after the heir has them. What is said and who is
// there is the heir's; keys, and the client's socket, can't go.

package succession

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/handover"
)

// Guests copies the bytes of connections that are not mere sockets. Its methods are safe for concurrent use.
type Guests struct {
	linger, spread time.Duration
	copying        sync.WaitGroup

	mu   sync.Mutex
	all  map[*guest]struct{} // guarded by mu
	over bool                // no other comes; guarded by mu
}

// guest is one of them.
type guest struct {
	client net.Conn
	heir   net.Conn // this end of what the heir has
}

// NewGuests has the heir end connections when linger is over, each at a moment of the last spread of it, so that their
// clients do not all come again at once.
func NewGuests(linger, spread time.Duration) *Guests {
	return &Guests{linger: linger, spread: min(linger, spread), all: map[*guest]struct{}{}}
}

// Invite is a [Guest].
func (g *Guests) Invite(c net.Conn) (Invitation, error) {
	ours, theirs, err := handover.Sockets()
	if err != nil {
		return Invitation{}, err
	}
	one := &guest{client: c, heir: ours}
	stays := g.linger
	if g.spread > 0 {
		stays -= rand.N(g.spread)
	}
	return Invitation{Socket: theirs, Until: time.Now().Add(stays), Decided: func(goes bool) {
		if !goes {
			ours.Close()
		} else if !g.serve(one) {
			one.close()
		}
	}}, nil
}

func (one *guest) close() {
	one.client.Close()
	one.heir.Close()
}

// serve copies until both have ended.
func (g *Guests) serve(one *guest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return false
	}
	one.client.SetDeadline(time.Time{}) // which ended the reading here
	g.all[one] = struct{}{}
	g.copying.Go(func() { // ends with the connection, or Close
		var both sync.WaitGroup
		both.Go(func() { pass(one.heir, one.client) })
		pass(one.client, one.heir)
		// the heir has ended it: what the client still says is for nobody
		one.client.SetReadDeadline(time.Now().Add(farewell))
		both.Wait()
		one.close()
		g.mu.Lock()
		delete(g.all, one)
		g.mu.Unlock()
	})
	return true
}

// farewell is how long a client may take to end what the heir has ended.
const farewell = 2 * time.Second

// pass copies until from ends, and says so to the other one. What breaks ends both.
func pass(to, from net.Conn) {
	_, err := io.Copy(onlyWriter{to}, onlyReader{from})
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		to.Close()
		from.Close()
	}
}

// Neither end is a socket that the kernel could copy from, or to, without the other one's keys.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// Count is how many there are.
func (g *Guests) Count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.all)
}

// Wait returns when none is left, or ctx is done; then those that are left are cut, and left says how many they were.
// No other may come once it has returned.
func (g *Guests) Wait(ctx context.Context) (left int) {
	gone := make(chan struct{})
	go func() { // ends with the last of them
		g.copying.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
	}
	g.mu.Lock()
	g.over, left = true, len(g.all)
	for one := range g.all {
		one.close()
	}
	g.mu.Unlock()
	<-gone
	return left
}

// Longest is how long it takes until the heir has ended the last of those that are here.
func (g *Guests) Longest() time.Duration { return g.linger + 2*farewell }
