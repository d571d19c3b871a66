// logger.go: what the embedded server says goes to the host's log.

package engine

import (
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// logger implements the server's Logger. What it notes of its own start is for those who look closely.
type logger struct{ to hclog.Logger }

func (l logger) Noticef(format string, v ...any) { l.to.Trace(fmt.Sprintf(format, v...)) }
func (l logger) Warnf(format string, v ...any)   { l.to.Warn(fmt.Sprintf(format, v...)) }

// Errorf leaves out what it says each second of a host that is away: others say so, once.
func (l logger) Errorf(format string, v ...any) {
	if text := fmt.Sprintf(format, v...); strings.HasPrefix(text, "Error trying to connect to route") {
		l.to.Debug(text)
	} else {
		l.to.Error(text)
	}
}

func (l logger) Fatalf(format string, v ...any) { l.to.Error(fmt.Sprintf(format, v...)) }
func (l logger) Debugf(format string, v ...any) { l.to.Trace(fmt.Sprintf(format, v...)) }
func (l logger) Tracef(format string, v ...any) { l.to.Trace(fmt.Sprintf(format, v...)) }
