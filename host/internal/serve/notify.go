// notify.go tells systemd how the host does (sd_notify(3)): that it is ready, that it reloads, that it stops, and that
// it is alive; notify_store.go has what systemd is to keep. Without NOTIFY_SOCKET, which it sets for Type=notify, all
// of it does nothing.

package serve

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
)

// notifier is safe for concurrent use.
type notifier struct {
	socket   string        // "" is nobody
	watchdog time.Duration // systemd expects a sign of life within it; 0 is none
	room     int           // how many descriptors it keeps for us
	log      hclog.Logger

	mu       sync.Mutex
	ready    bool // READY has been sent; guarded by mu, as is stopping
	stopping bool
	left     bool            // another process is the service; guarded by mu
	stored   map[string]bool // names of the sockets that it keeps; guarded by mu
	once     sync.Once       // for the complaint that nobody takes what we say
}

// notifyVariables are for us alone: a worker that inherited them could speak in our name.
var notifyVariables = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", storeVariable}

// newNotifier reads what systemd has set, and removes it from the environment.
func newNotifier(log hclog.Logger) *notifier {
	n := &notifier{socket: os.Getenv("NOTIFY_SOCKET"), log: log, stored: map[string]bool{}}
	n.room, _ = strconv.Atoi(os.Getenv(storeVariable)) // else 0
	pid := os.Getenv("WATCHDOG_PID")
	if usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 &&
		(pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.watchdog = time.Duration(usec) * time.Microsecond
	}
	for _, name := range notifyVariables {
		os.Unsetenv(name)
	}
	return n
}

// tell sends lines of NAME=value in one datagram.
func (n *notifier) tell(lines ...string) {
	if n.socket == "" {
		return
	}
	if err := n.send(strings.Join(lines, "\n")); err != nil {
		n.once.Do(func() { n.log.Warn("systemd can't be told how the host does", "error", err) })
	}
}

// tellTime is how long a manager that is busy may keep us waiting.
const tellTime = 3 * time.Second

// send sends a datagram, with descriptors if there are some.
func (n *notifier) send(message string, files ...*os.File) error {
	conn, err := net.Dial("unixgram", n.socket) // a leading @ is an abstract name, for Go as for systemd
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(tellTime))
	if len(files) > 0 {
		return sendWith(conn.(*net.UnixConn), message, files)
	}
	_, err = conn.Write([]byte(message))
	return err
}

// serving says that the host serves.
func (n *notifier) serving(summary string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ready = true
	if !n.stopping {
		n.tell("READY=1", "STATUS="+summary)
	}
}

const (
	prolongEvery = 15 * time.Second
	prolonged    = "EXTEND_TIMEOUT_USEC=60000000"
)

// reloading says that a reload begins. Before the host is ready, and after it began to stop, a reload is not systemd's
// concern.
func (n *notifier) reloading() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ready && !n.stopping {
		n.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonicMicroseconds()), "STATUS=reloading", prolonged)
	}
}

// prolong says again and again, until ctx ends, that a reload goes on. For `systemctl reload`, too, systemd waits no
// longer than TimeoutStartSec, and no file can know how long a whole roll takes: all that it waits for has a deadline
// of its own.
func (n *notifier) prolong(ctx context.Context, every time.Duration) {
	if n.socket == "" {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			n.mu.Lock()
			if n.ready && !n.stopping {
				n.tell(prolonged)
			}
			n.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// reloaded says that it has ended, well or badly: either way the host serves.
func (n *notifier) reloaded(summary string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ready && !n.stopping {
		n.tell("READY=1", "STATUS="+summary)
	}
}

// ends says that the host stops, once.
func (n *notifier) ends() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.stopping {
		n.stopping = true
		n.tell("STOPPING=1", "STATUS=finishing the requests in flight")
	}
}

// environ is what another host needs to tell systemd.
func (n *notifier) environ() (environ []string) {
	if n.socket != "" {
		environ = append(environ, "NOTIFY_SOCKET="+n.socket)
	}
	if n.room > 0 {
		environ = append(environ, fmt.Sprintf("%s=%d", storeVariable, n.room))
	}
	if n.watchdog > 0 {
		environ = append(environ, fmt.Sprintf("WATCHDOG_USEC=%d", n.watchdog.Microseconds()))
	}
	return environ
}

// leaves says that another process is the service from now on, if this one is, and is silent after that.
func (n *notifier) leaves(pid int, main bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if main && !n.stopping {
		n.tell(fmt.Sprintf("MAINPID=%d", pid))
	}
	n.stopping, n.left = true, true
}

// watch gives signs of life until ctx ends. Each takes an answer of all pools, so that a host that is stuck gives
// none.
func (n *notifier) watch(ctx context.Context, status func() control.Status) {
	if n.socket == "" || n.watchdog == 0 {
		return
	}
	tick := time.NewTicker(n.watchdog / 3)
	defer tick.Stop()
	for {
		summary := summarise(status())
		n.mu.Lock()
		if lines := []string{"WATCHDOG=1"}; n.ready && !n.stopping {
			n.tell(append(lines, "STATUS="+summary)...)
		} else if !n.left {
			n.tell(lines...)
		}
		n.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// summarise is the line that systemctl status shows.
func summarise(st control.Status) string {
	var pools []string
	for _, p := range st.Pools {
		serving, busy := 0, 0
		for _, w := range p.Workers {
			switch w.State {
			case "busy":
				busy++
				serving++
			case "idle":
				serving++
			}
		}
		text := fmt.Sprintf("%s: generation %d, %s, %d busy, %d queued", p.Name, p.Generation,
			cli.Counted(serving, "worker"), busy, p.Queued)
		if p.Failure != "" {
			text += ", the last start failed"
		}
		pools = append(pools, text)
	}
	return strings.Join(pools, "; ")
}
