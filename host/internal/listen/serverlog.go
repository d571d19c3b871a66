// What net/http says by itself.

package listen

import (
	"fmt"
	stdlog "log"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// serverLog takes net/http's own messages. Most are about clients and matter to few; a panic is a mistake of ours.
func serverLog(log hclog.Logger) *stdlog.Logger { return stdlog.New(serverLines{log}, "", 0) }

type serverLines struct{ log hclog.Logger }

// Write implements io.Writer, a message at a time.
func (l serverLines) Write(p []byte) (int, error) {
	line := strings.TrimRight(string(p), "\n")
	switch {
	case strings.Contains(line, "panic"):
		l.log.Error("a request's handler broke down: this is a mistake in the host", "trace", line)
	case strings.Contains(line, "Accept error"):
		l.log.Error("can't accept connections for the moment", "error", line)
	default:
		l.log.Debug(fmt.Sprint("net/http: ", line))
	}
	return len(p), nil
}
