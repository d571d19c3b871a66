// Held responses: a response that becomes a connection (SPEC.md §10.6).

package sdk

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// HoldOptions says what a held response is as a connection.
type HoldOptions struct {
	Groups  []string
	UID     string         // the user that it is bound to
	Session map[string]any // what a [Session] may hold
	Once    bool           // it ends after the first message: a long poll
	Timeout time.Duration  // after which the host ends it; 0 is never
}

// Hold leaves the response to the host: when the handler returns, the client gets the head and what was written so
// far, and the response becomes a connection, with Protocol "sse" if its Content-Type is text/event-stream, otherwise
// "poll". The worker is free; any worker sends to it with [Connections] and ends it with Close, and [Worker].OnClose
// hears of its end. Nothing may have been flushed yet. The answer to HEAD is not held.
//
//	w.Header().Set("Content-Type", "text/event-stream")
//	sdk.Hold(w, r, sdk.HoldOptions{Groups: []string{"news"}})
//
// A client that comes back names the last event that it has in the header Last-Event-ID. Under another server than the
// host, Hold fails with [ErrNoHost].
func Hold(w http.ResponseWriter, r *http.Request, o HoldOptions) error {
	own := unwrap(w)
	if own == nil {
		return ErrNoHost
	}
	if err := own.s.link.checkGroups(o.Groups); err != nil {
		return err
	}
	if err := own.s.link.checkUID(o.UID); err != nil {
		return err
	}
	if o.Timeout < 0 {
		return fmt.Errorf("sdk: Hold: the time-out is %v, and can't be negative", o.Timeout)
	}
	hold := &protocol.Hold{Groups: slices.Clone(o.Groups), UID: o.UID, Once: o.Once,
		Timeout: milliseconds(o.Timeout)}
	var err error
	if hold.Session, err = own.s.link.entries(o.Session); err != nil {
		return err
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	switch {
	case own.over:
		return errReturned
	case own.headSent:
		return errors.New("sdk: Hold: the response has begun already")
	case own.file != "" || own.fetch != nil:
		return errors.New("sdk: Hold: the response has been left to the host already")
	case own.length >= 0 || own.header.Get("Content-Length") != "":
		return errors.New("sdk: Hold: a response that is held has no Content-Length")
	case own.isHead:
		return nil
	}
	own.hold = hold
	return nil
}
