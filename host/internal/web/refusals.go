// What the front answers by itself, counted: no worker has heard of these requests, so no pool counts them.

package web

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/trace"
)

// Refusal is why the front answered in a worker's place.
type Refusal int

// The refusals.
const (
	RefusedMalformed   Refusal = iota // 400, 501: it can't be passed on
	RefusedTooLarge                   // 413, 431
	RefusedTooSlow                    // 408: its head or its body did not come in time
	RefusedRate                       // 429
	RefusedNoRoom                     // 503: the disk for waiting bodies is full
	RefusedConnections                // 503: one connection too many
	RefusedFault                      // 500: of the host itself
	RefusedOrigin                     // 403: its page may not open WebSockets here
	RefusedNoRoute                    // 404, 421: no route takes it
	RefusedPassword                   // 401, and 503 where too many are checked
	RefusedAddress                    // 403: the route is not for this address
	RefusedMaintenance                // 503: somebody works on the site
	refusals
)

var refusalNames = [refusals]string{"malformed", "too large", "too slow", "rate limit", "no room on disk",
	"too many connections", "fault of the host", "origin", "no route", "password", "address", "maintenance"}

// String names the refusal as the access log and the metrics do.
func (r Refusal) String() string { return refusalNames[r] }

// tally is what one listener has answered without a worker.
type tally struct {
	refused [refusals]atomic.Uint64
	static  atomic.Uint64
}

// Refused is how many requests the listener answered by itself, by [Refusal.String]; connections that it turned away
// are among them.
func (h *Handler) Refused() map[string]uint64 {
	counts := make(map[string]uint64, refusals)
	for why := range refusals {
		counts[why.String()] = h.tally.refused[why].Load()
	}
	return counts
}

// TurnedAway counts a connection that was one too many.
func (h *Handler) TurnedAway() { h.tally.refused[RefusedConnections].Add(1) }

// StaticFiles is how many requests a file of the public folder was the answer to.
func (h *Handler) StaticFiles() uint64 { return h.tally.static.Load() }

// refused counts a request that is about to be answered with the status, and says why in the access log, and in the
// host's own if the client is to blame.
func (v *visit) refused(status int, reason string) {
	switch status {
	case 0: // nobody is left to answer
		return
	case http.StatusBadGateway: // the worker's doing, which its pool has counted
		v.blame("reset by worker")
		return
	}
	if v.conn != nil && status == http.StatusBadRequest {
		reason = v.conn.Reason(reason)
	}
	why := whyRefused(status)
	v.handler.tally.refused[why].Add(1)
	v.blame(why.String())
	if v.entry != nil {
		v.entry.Reason = reason
	}
	if why == RefusedMalformed {
		v.handler.tellRefusal(remote(v.r), status, reason)
	}
}

// turnedAway counts a request that is about to be answered, and whose client may know no more than the status.
func (v *visit) turnedAway(why Refusal) {
	v.handler.tally.refused[why].Add(1)
	v.blame(why.String())
}

func whyRefused(status int) Refusal {
	switch status {
	case http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge:
		return RefusedTooLarge
	case http.StatusRequestTimeout:
		return RefusedTooSlow
	case http.StatusTooManyRequests:
		return RefusedRate
	case http.StatusServiceUnavailable:
		return RefusedNoRoom
	case http.StatusInternalServerError:
		return RefusedFault
	case http.StatusForbidden:
		return RefusedOrigin
	case http.StatusUnauthorized:
		return RefusedPassword
	case http.StatusNotFound, http.StatusMisdirectedRequest:
		return RefusedNoRoute
	}
	return RefusedMalformed
}

// tellRefusal names a client that sent what can't be passed on in the host's log: the first one at once, and then
// how many more there were.
func (h *Handler) tellRefusal(remote string, status int, reason string) {
	h.log.Debug("refused a request", "remote", remote, "status", status, "reason", reason)
	h.malformed.Warn(h.log, "requests are refused for what their clients sent; the access log has all of them",
		"remote", remote, "status", status, "reason", reason)
}

// blame says in the access log why the request has no answer of a worker's.
func (v *visit) blame(fault string) {
	if v.entry != nil {
		v.entry.Fault = fault
	}
}

// NoteRefusal leaves what a visit would have, of a request that was refused below it: counts, a line of the access log
// and one of the host's. sent is how many bytes were the answer.
func (h *Handler) NoteRefusal(r *http.Request, status, sent int, reason string) {
	why := whyRefused(status)
	h.tally.refused[why].Add(1)
	h.tellRefusal(remote(r), status, reason)
	t := h.enter()
	defer t.release()
	e := accesslog.Entry{Began: time.Now(), Status: status, Out: int64(sent), Fault: why.String(), Reason: reason}
	if access := h.accessLog(t); access != nil {
		access.Note(&e, r, r.Header.Get, true)
	}
	t.tellRefused(r, &e)
}

// tellRefused has a span of a request that was refused before it had a visit.
func (t *terms) tellRefused(r *http.Request, e *accesslog.Entry) {
	span := t.Tracer.Start(trace.Read(r.Header[trace.ParentHeader], r.Header[trace.StateHeader]))
	if !span.Sampled {
		return
	}
	record := recordOf(&span, r, r.Header.Get, "", r.RemoteAddr, e)
	record.Attributes.Word("error.type", e.Fault)
	span.End(record)
}
