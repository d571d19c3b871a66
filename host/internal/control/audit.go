// audit.go: who asked the host for what, for whoever wants to know later.

package control

import (
	"fmt"
	"net/http"
)

// Asker is who sent a request: a process at the socket, whoever has a token over TCP, or neither, for a signal.
type Asker struct {
	User    string // at the socket: the name of its user, or the number; "" where the system can't tell
	Login   string // who logged in at first, if that is known and another one: with sudo, it is whoever became User
	PID     int    // at the socket; 0 where the system can't tell
	Address string // over TCP
	Token   string // over TCP: the name of its token; "" if it had none that is known
	Signal  string
}

// Record is what somebody asked the host for.
type Record struct {
	Asker
	// "reload", "try", "rollback", "abort", "promote", "stop", "upgrade", "profile", "replay", "send", "close",
	// "cron run", "service restart", or "tasks retry", "maintenance on", "cache purge" …; of what was refused before
	// that was looked at, "POST /v1/reload"
	Act      string
	Message  string // why, in the asker's own words, which can be any
	Details  []any  // of the act, by turns a name and a value
	Err      error  // why it was refused; nil: it was done, or has begun
	Stranger bool   // it was refused, whatever it was: the asker has no token that is known, or may not use the socket
}

// messageHeader carries the asker's message.
const messageHeader = "Workerhost-Message"

// audit has the host note what r asked for, and what came of it.
func (s *Server) audit(r *http.Request, act string, err error, details ...any) {
	s.host.Audit(Record{Asker: askerOf(r), Act: act, Message: r.Header.Get(messageHeader), Details: details, Err: err})
}

// turnAway refuses a stranger, and has that noted.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, status int, err error) {
	s.host.Audit(Record{Asker: askerOf(r), Act: asked(r), Err: err, Stranger: true})
	refuse(w, status, err)
}

func asked(r *http.Request) string { return fmt.Sprintf("%.20s %.100s", r.Method, r.URL.Path) }
