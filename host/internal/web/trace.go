// The span of a request: it begins and ends with the visit, and workers are told of it in the request's header.

package web

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/host/internal/trace"
)

// follow begins the visit's span, below the one that the client names.
func (v *visit) follow() {
	if tracer := v.terms.Tracer; tracer != nil {
		var parents, states [2]string
		v.span = tracer.Start(trace.Read(v.appendValues(parents[:0], trace.ParentHeader),
			v.appendValues(states[:0], trace.StateHeader)))
	}
}

// passOn names the span to the worker, in place of the client's.
func (v *visit) passOn() {
	if !v.span.Traced() {
		return
	}
	v.set(trace.ParentHeader, v.span.Traceparent())
	if v.span.State != "" {
		v.set(trace.StateHeader, v.span.State)
	} else {
		v.remove(func(name string) bool { return name == trace.StateHeader })
	}
}

// tell ends the visit's span with what came of the request. whole says that nothing broke off.
func (v *visit) tell(whole bool) {
	e, r := v.entry, v.r
	scheme := v.scheme
	if scheme == "" {
		scheme = "http"
		if r.TLS != nil {
			scheme = "https"
		}
	}
	record := recordOf(&v.span, r, v.value, scheme, v.peer, e)
	switch {
	case e.Status >= 500:
		fail(record, e.Fault, strconv.Itoa(e.Status))
	case r.Context().Err() != nil:
		record.Attributes.Word("error.type", "client left")
	case !whole:
		fail(record, e.Fault, "aborted")
	default:
		record.Attributes.Word("error.type", e.Fault)
	}
	v.span.End(record)
}

// fail says what went wrong: why, or in general terms.
func fail(r *trace.Record, why, otherwise string) {
	if why == "" {
		why = otherwise
	}
	r.Failed, r.Fault = true, why
	r.Attributes.Word("error.type", why)
}

// methods are those that stand for themselves; a client may send any other.
var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}

// recordOf has what is known of a request that has ended, by the names of OpenTelemetry's conventions for HTTP and,
// for what those don't have, by ours. value gives a field of its header.
func recordOf(
	s *trace.Span, r *http.Request, value func(name string) string, scheme, peer string, e *accesslog.Entry,
) *trace.Record {
	record := s.Record(e.Began)
	record.Ended, record.Kind = time.Now(), trace.Server
	a := &record.Attributes
	if i := slices.Index(methods, r.Method); i >= 0 { // the request's own may be a part of all of its text
		record.Name = methods[i]
		a.Word("http.request.method", methods[i])
	} else {
		record.Name = "HTTP"
		a.Word("http.request.method", "_OTHER")
		a.Text("http.request.method_original", r.Method)
	}
	if e.Route != "" {
		record.Name += " " + e.Route
		a.Word("http.route", e.Route)
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	a.Text("url.path", path)
	a.Text("url.query", redact.Query(query))
	a.Word("url.scheme", scheme)
	if e.Status != 0 && e.Status != statusLeft {
		a.Whole("http.response.status_code", int64(e.Status))
	}
	if e.In > 0 {
		a.Whole("http.request.body.size", e.In)
	}
	a.Whole("http.response.body.size", e.Out)
	a.Text("client.address", addressOf(r.RemoteAddr))
	a.Text("network.peer.address", addressOf(peer))
	if name, port, err := net.SplitHostPort(r.Host); err == nil {
		a.Text("server.address", name)
		if n, err := strconv.Atoi(port); err == nil {
			a.Whole("server.port", int64(n))
		}
	} else {
		a.Text("server.address", r.Host)
	}
	if r.ProtoMajor > 0 {
		a.Word("network.protocol.version", version(r))
	}
	a.Text("user_agent.original", value("User-Agent"))
	a.Text("workerhost.request_id", e.ID)
	a.Word("workerhost.pool", e.Pool)
	wait, work := e.Times(record.Ended)
	if wait >= 0 {
		a.Millis("workerhost.wait_ms", wait)
	}
	if work >= 0 {
		a.Millis("workerhost.work_ms", work)
		a.Whole("workerhost.worker", int64(e.Slot))
		a.Whole("workerhost.generation", int64(e.Generation))
		a.Whole("workerhost.attempts", int64(e.Attempts))
	}
	a.Text("workerhost.reason", e.Reason)
	return record
}

// addressOf is an address without its port; "" for a client of a unix socket.
func addressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return ""
	}
	return host
}
