// php-fpm's configuration: one pool, of as many children as the host hands out requests at once.

package fastcgi

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// FPM says how a php-fpm master is to be.
type FPM struct {
	Children    int           // of which each has one request at a time
	MaxRequests int           // after which a child is replaced; 0 is never
	Patience    time.Duration // what code that runs on after its response gets, when the master is to end
	// Slow has requests that take longer logged with where PHP stands, in whole seconds; 0 is none. Each request has
	// a connection of its own then, since php-fpm counts the time from its opening.
	Slow time.Duration
}

// What is in a master's folder.
const (
	socketName = "php.sock"
	statusName = "now.sock" // where it tells of its children
	slowName   = "slow.log"
)

// seconds is d in whole ones, as php-fpm takes times, and no less.
func seconds(d time.Duration) int64 { return max(1, int64((d+time.Second-1)/time.Second)) }

// configuration is the file's text; tells is that php-fpm is one that can have a socket for its status alone. The host
// has the queue, the time-outs and the access log.
func (f *FPM) configuration(folder string, tells bool) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("[global]")
	line("daemonize = no")
	line("error_log = /dev/null") // it is opened, and standard error is used
	line("log_level = warning")
	line("log_limit = 65536")
	line("process_control_timeout = %d", seconds(f.Patience))
	line("[workerhost]")
	line("listen = %s", filepath.Join(folder, socketName))
	line("listen.mode = 0600")
	line("pm = static")
	line("pm.max_children = %d", f.Children)
	line("pm.max_requests = %d", f.MaxRequests)
	if tells {
		line("pm.status_path = %s", statusPath)
		line("pm.status_listen = %s", filepath.Join(folder, statusName))
	}
	if f.Slow > 0 {
		line("slowlog = %s", filepath.Join(folder, slowName))
		line("request_slowlog_timeout = %d", seconds(f.Slow))
	}
	line("clear_env = no")
	// Else what they print, and what PHP says after the response, is lost. It costs a switch to the master for each
	// request, at whose end a child writes a mark there.
	line("catch_workers_output = yes")
	line("decorate_workers_output = no")
	line("security.limit_extensions = .php")
	return b.String()
}
