// php-fpm's configuration: one pool, of as many children as the host hands out requests at once.

package fastcgi

import (
	"fmt"
	"strings"
	"time"
)

// FPM says how a php-fpm master is to be.
type FPM struct {
	Children    int           // of which each has one request at a time
	MaxRequests int           // after which a child is replaced; 0 is never
	Patience    time.Duration // what code that runs on after its response gets, when the master is to end
}

// configuration is the file's text. The host has the queue, the time-outs and the access log.
func (f *FPM) configuration(socket string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("[global]")
	line("daemonize = no")
	line("error_log = /dev/null") // it is opened, and standard error is used
	line("log_level = warning")
	line("log_limit = 65536")
	line("process_control_timeout = %d", max(1, int64((f.Patience+time.Second-1)/time.Second)))
	line("[workerhost]")
	line("listen = %s", socket)
	line("listen.mode = 0600")
	line("pm = static")
	line("pm.max_children = %d", f.Children)
	line("pm.max_requests = %d", f.MaxRequests)
	line("clear_env = no")
	line("catch_workers_output = yes")
	line("decorate_workers_output = no")
	line("security.limit_extensions = .php")
	return b.String()
}
