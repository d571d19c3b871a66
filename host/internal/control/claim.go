// claim.go gives a control socket one owner: a lock beside it says whether the host that made it still lives, so that
// a stale socket can be replaced and a live one never is.

package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/workerhost/workerhost/host/internal/filekind"
)

// answerTimeout is what another host gets to say who it is.
const answerTimeout = 2 * time.Second

// Socket says where a control socket is, and who may open it.
type Socket struct {
	Path  string
	Mode  fs.FileMode // 0 is 0600
	Group *int        // whose members may open it as well, as far as Mode lets them; nil is this process's own group
	// Prepare, if given, makes the folder. It is called again if that goes.
	Prepare func() error
}

// Claim is a bound control socket. Nobody else can have it before [Claim.Release]. It implements [net.Listener].
type Claim struct {
	Socket

	mu       sync.Mutex
	socket   *net.UnixListener // replaced by renew, as are the next two; guarded by mu
	file     fs.FileInfo       // that it is known by
	lock     *lock
	released bool
	shared   bool // another host has it, too
}

// NewClaim binds the socket. Its mode is 0600 from its first moment until it has its group. It replaces the socket of
// a host that died. Without Prepare the folder has to exist. The error says who has the socket, or what else is in
// the way, and what to do.
func NewClaim(s Socket) (*Claim, error) {
	c := &Claim{Socket: s}
	if c.Mode == 0 {
		c.Mode = 0o600
	}
	if err := c.bind(); err != nil {
		return nil, err
	}
	return c, nil
}

// bind takes the lock, unless it is ours, and makes the socket. Under mu, or before anybody else knows the claim.
func (c *Claim) bind() (err error) {
	if c.Prepare != nil {
		if err := c.Prepare(); err != nil {
			return err
		}
	}
	lock := c.lock
	if lock == nil || !lock.ours() {
		if lock, err = acquire(c.Path + ".lock"); err != nil {
			return c.locked(err)
		}
		defer func() {
			if err != nil {
				lock.release()
			}
		}()
	}
	if err := clear(c.Path); err != nil {
		return err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return c.Control(restrict) }}
	l, err := config.Listen(context.Background(), "unix", c.Path)
	if err != nil {
		return fmt.Errorf("control socket %s: %w; name another place with --control PATH; where the system has no "+
			"unix sockets: [control] socket = \"off\", with listen and a token", c.Path, err)
	}
	socket := l.(*net.UnixListener)
	socket.SetUnlinkOnClose(false) // Release does, while it still has the lock
	file, err := c.admit()
	if err != nil {
		socket.Close()
		os.Remove(c.Path)
		return fmt.Errorf("control socket %s: %w", c.Path, err)
	}
	if c.lock != nil && c.lock != lock {
		c.lock.release()
	}
	c.socket, c.file, c.lock = socket, file, lock
	return nil
}

// locked explains why there is no lock.
func (c *Claim) locked(err error) error {
	switch {
	case errors.Is(err, errLocked):
		return taken(c.Path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("control socket %s: its folder does not exist, or is a symlink to what does not; create "+
			"it, or name another place with --control PATH", c.Path)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("control socket %s: what should be its folder is %s; remove that, or name another place "+
			"with --control PATH", c.Path, filekind.Name(filepath.Dir(c.Path)))
	}
	return fmt.Errorf("control socket %s: %w; name another place with --control PATH", c.Path, err)
}

// admit gives the socket's file its group and its mode.
func (c *Claim) admit() (fs.FileInfo, error) {
	if c.Group != nil {
		if err := os.Chown(c.Path, -1, *c.Group); err != nil {
			return nil, fmt.Errorf("%w; to give it to a group the host has to be root, or a member of that", err)
		}
	}
	if err := os.Chmod(c.Path, c.Mode); err != nil {
		return nil, err
	}
	return os.Lstat(c.Path)
}

// Release removes the socket, so that another host may have the path at once. Connections that are open stay.
func (c *Claim) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released {
		return
	}
	c.released = true
	if c.shared {
		c.socket.Close()
		c.lock.leave()
		return
	}
	// not that of a host that took the place of a file that was removed
	if there, err := os.Lstat(c.Path); err == nil && os.SameFile(there, c.file) {
		os.Remove(c.Path)
	}
	c.socket.Close()
	c.lock.release()
}

// keepEvery is how often Keep looks.
const keepEvery = 5 * time.Second

// Keep looks whether the socket's file is still there, and makes it anew where something that cleans temporary
// folders has removed it, until ctx ends. tell hears of each time, and once of what keeps it from that.
func (c *Claim) Keep(ctx context.Context, tell func(err error)) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for told := ""; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		renewed, err := c.renew()
		switch {
		case err != nil && err.Error() == told:
		case err != nil:
			told = err.Error()
			tell(err)
		case renewed:
			told = ""
			tell(nil)
		}
	}
}

// renew makes the socket anew if its file has gone. Those who are connected stay so. What has taken its place is left
// alone, and is an error unless it is a socket: that is of a host which has come since.
func (c *Claim) renew() (renewed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	there, err := os.Lstat(c.Path)
	if c.released || err == nil && (socketsLookLikeFiles || os.SameFile(there, c.file) ||
		there.Mode().Type() == fs.ModeSocket) {
		return false, nil
	}
	old := c.socket
	if err := c.bind(); err != nil {
		return false, err
	}
	old.Close()
	return true, nil
}

// Accept implements [net.Listener].
func (c *Claim) Accept() (net.Conn, error) {
	for {
		l := c.current()
		conn, err := l.Accept()
		if err == nil || c.current() == l {
			return conn, err
		}
	}
}

// Close implements [net.Listener]; it is Release.
func (c *Claim) Close() error {
	c.Release()
	return nil
}

// Addr implements [net.Listener].
func (c *Claim) Addr() net.Addr { return c.current().Addr() }

func (c *Claim) current() *net.UnixListener {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.socket
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
		return fmt.Errorf("control socket %s: %s stands there, and no socket; remove it, or name another place with "+
			"--control PATH", path, filekind.Name(path))
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
	const remedy = "stop it with `host stop`, load new code with `host reload`, or give this one a socket of its " +
		"own with --control PATH"
	st, err := NewClient(path).Status(ctx)
	if err != nil {
		return fmt.Errorf("control socket %s is taken by a process that does not answer (%w); %s", path, err, remedy)
	}
	up := time.Duration(st.Uptime * float64(time.Second)).Round(time.Second)
	return fmt.Errorf("a host is running here already: pid %d, up %v, control socket %s; %s", st.PID, up, path, remedy)
}
