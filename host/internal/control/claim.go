// claim.go gives a control socket one owner: a lock beside it says whether the host that made it still lives, so that a stale socket can be
// replaced and a live one never is.

package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// answerTimeout is what another host gets to say who it is.
const answerTimeout = 2 * time.Second

// Claim is a bound control socket. Nobody else can have it before [Claim.Release].
type Claim struct {
	Path   string
	socket *net.UnixListener
	lock   *lock
}

// NewClaim binds the socket at path, with mode 0600 from its first moment. It replaces the socket of a host that died. The folder has to exist.
// The error says who has the socket, or what else is in the way, and what to do.
func NewClaim(path string) (*Claim, error) {
	held, err := acquire(path + ".lock")
	if errors.Is(err, errHeld) {
		return nil, taken(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket %s: its folder does not exist; create it, or name another place with --control PATH", path)
	}
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w; name another place with --control PATH", path, err)
	}
	if err := clear(path); err != nil {
		held.release()
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return c.Control(restrict) }}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		held.release()
		return nil, fmt.Errorf("control socket %s: %w; name another place with --control PATH", path, err)
	}
	socket := l.(*net.UnixListener)
	socket.SetUnlinkOnClose(false) // Release does, while it still has the lock
	if err := os.Chmod(path, 0o600); err != nil {
		socket.Close()
		os.Remove(path)
		held.release()
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return &Claim{Path: path, socket: socket, lock: held}, nil
}

// Release removes the socket, so that another host may have the path at once. Connections that are open stay.
func (c *Claim) Release() {
	os.Remove(c.Path)
	c.socket.Close()
	c.lock.release()
}

// clear removes a stale socket, and nothing else. The lock is held, so that no host of ours can be listening.
func clear(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("control socket %s: %w", path, err)
	}
	if info.Mode().Type() != fs.ModeSocket && !socketsLookLikeFiles {
		return fmt.Errorf("control socket %s: a file that is no socket stands there; remove it, or name another place with --control PATH", path)
	}
	c, err := net.DialTimeout("unix", path, answerTimeout)
	if err == nil {
		c.Close()
		return taken(path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("control socket %s: what a dead host left can't be removed: %w", path, err)
	}
	return nil
}

// taken is the error for a socket that somebody has, who is asked for a name.
func taken(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	const remedy = "stop it with `host stop`, load new code with `host reload`, or give this one a socket of its own with --control PATH"
	st, err := NewClient(path).Status(ctx)
	if err != nil {
		return fmt.Errorf("control socket %s is taken by a process that does not answer (%w); %s", path, err, remedy)
	}
	up := time.Duration(st.Uptime * float64(time.Second)).Round(time.Second)
	return fmt.Errorf("a host is running here already: pid %d, up %v, control socket %s; %s", st.PID, up, path, remedy)
}
