// audit.go: a line for each thing that somebody asked the host for, whatever the level of the log.

package serve

import (
	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/quiet"
)

// auditor writes the lines. Its methods are safe for concurrent use.
type auditor struct {
	log hclog.Logger
	// whoever tries tokens, or the socket, must not fill the log
	tokens, socket quiet.Throttle
}

func newAuditor(c config.Log) *auditor {
	c.Level = "info"
	log := newLogger(c)
	log.own = true
	return &auditor{log: log}
}

// longestMessage is how much of an asker's message is kept.
const longestMessage = 500

// note writes a record.
func (a *auditor) note(r control.Record) {
	var who []any
	for _, part := range []struct{ name, value string }{
		{"user", r.User}, {"login", r.Login}, {"address", r.Address}, {"token", r.Token}, {"signal", r.Signal},
		{"message", cli.Shortened(r.Message, longestMessage)},
	} {
		if part.value != "" {
			who = append(who, part.name, part.value)
		}
	}
	if r.PID != 0 {
		who = append(who, "pid", r.PID)
	}
	line := append(who, r.Details...)
	if r.Err != nil {
		line = append(line, "act", r.Act, "error", r.Err.Error())
	}
	switch {
	case r.Stranger && r.Address != "":
		a.tokens.Warn(a.log, "audit: a wrong token", line...)
	case r.Stranger:
		a.socket.Warn(a.log, "audit: a user who may not", line...)
	case r.Err != nil:
		a.log.Warn("audit: refused", line...)
	default:
		a.log.Info("audit: "+r.Act, line...)
	}
}

// flush tells of what has been counted.
func (a *auditor) flush() {
	a.tokens.Flush()
	a.socket.Flush()
}

// Audit implements [control.Host].
func (h *host) Audit(r control.Record) { h.audit.note(r) }
