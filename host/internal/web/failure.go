// What goes wrong, and what the client is told: one table, and small pages that tell nothing of the code behind.

package web

import (
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// verdict is an answer to a failure.
type verdict struct {
	status int
	later  bool // with Retry-After
	text   string
	words  bool // text is somebody's own words, which come before a page of the site
}

// abort is the verdict when nobody is left to answer.
var abort = verdict{}

// verdicts is the table. After the response's head the only verdict is to abort.
var verdicts = map[protocol.FailureKind]verdict{
	protocol.FailedQueueFull:    {status: 503, later: true, text: "The server is busy. Please try again in a moment."},
	protocol.FailedQueueTimeout: {status: 503, later: true, text: "The server is busy. Please try again in a moment."},
	protocol.FailedStopping: {status: 503, later: true,
		text: "The server is restarting. Please try again in a moment."},
	protocol.FailedNoWorker: {status: 503, later: true,
		text: "The server is not ready. Please try again in a moment."},
	protocol.FailedTimeout:      {status: 504, text: "The application took too long to answer."},
	protocol.FailedDied:         {status: 502, text: "The application failed to answer."},
	protocol.FailedBroken:       {status: 502, text: "The application failed to answer."},
	protocol.FailedReset:        {status: 502, text: "The application failed to answer."},
	protocol.FailedDrained:      {status: 502, text: "The application was restarted before it could answer."},
	protocol.FailedCancelled:    abort,
	protocol.FailedAborted:      abort,
	protocol.FailedFetch:        {status: 502, text: "What this page is made of could not be had."},
	protocol.FailedFetchTimeout: {status: 504, text: "What this page is made of did not come in time."},
	protocol.FailedFetchCrowd:   {status: 503, later: true, text: "The server is busy. Please try again in a moment."},
}

// texts are for failures that are not the worker's.
var texts = map[int]string{
	400: "The request is malformed.",
	401: "This needs a user and a password.",
	403: "Pages of this origin may not connect.",
	404: "There is nothing here.",
	408: "The request's body did not come in time.",
	413: "The request is larger than this server takes.",
	417: "This server knows no expectation but 100-continue.",
	421: "There is no site of this name here.",
	426: "This server speaks version 13 of the WebSocket protocol.",
	429: "Too many requests. Please slow down.",
	500: "The server failed to answer.",
	501: "This server does not do that.",
	502: "The application failed to answer.",
	503: "The server is busy. Please try again in a moment.",
}

// verdictOf looks a failure up.
func verdictOf(f *protocol.Failure) verdict {
	if v, ok := verdicts[f.Kind]; ok {
		return v
	}
	return verdict{status: 500, text: texts[500]}
}

// answer writes an error page: the site's own, if it has one and nothing is to be shown to a developer. detail is
// shown with Options.Dev only. Headers that were set before stay.
func (v *visit) answer(with verdict, detail string) {
	if with.status == 0 {
		panic(http.ErrAbortHandler)
	}
	if with.text == "" {
		with.text = texts[with.status]
	}
	h := v.w.Header()
	if with.status == http.StatusNoContent {
		v.parting()
		v.moreTime()
		v.w.WriteHeader(with.status)
		return
	}
	if with.later {
		h.Set("Retry-After", retryAfter(v.terms.Backend.Traits().RetryAfter))
	}
	title := strconv.Itoa(with.status) + " " + http.StatusText(with.status)
	if !v.handler.options.Dev {
		detail = ""
	}
	var page string
	if own := v.terms.ErrorPages.of(with.status); v.wantsProblem() && with.status >= 400 {
		h.Set("Content-Type", "application/problem+json")
		page = problem(with, detail)
	} else if own != nil && detail == "" && !with.words {
		h.Set("Content-Type", own.Type)
		page = string(own.Body)
	} else if v.wantsHTML() {
		h.Set("Content-Type", "text/html; charset=utf-8")
		page = "<!doctype html>\n<title>" + title + "</title>\n<h1>" + title + "</h1>\n<p>" +
			html.EscapeString(with.text) + "</p>\n"
		if detail != "" {
			page += "<pre>" + html.EscapeString(detail) + "</pre>\n"
		}
	} else {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		page = title + "\n" + with.text + "\n"
		if detail != "" {
			page += "\n" + detail + "\n"
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(page)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	v.parting()
	v.moreTime()
	v.w.WriteHeader(with.status)
	io.WriteString(v.w, page) // a client that left needs no page
}

func retryAfter(d time.Duration) string {
	return strconv.Itoa(max(1, int((d+time.Second-1)/time.Second)))
}

func (v *visit) wantsHTML() bool { return strings.Contains(v.value("Accept"), "text/html") }

// refuse answers a request whose body is unread or half read, and ends its connection: what is left of the body can't
// be told from a next request.
func (v *visit) refuse(in *intake, with verdict, detail string) {
	if with.status == 0 {
		panic(http.ErrAbortHandler)
	}
	v.refused(with.status, detail)
	if v.r.ProtoMajor == 1 {
		v.w.Header().Set("Connection", "close")
	}
	if with.status == http.StatusServiceUnavailable {
		with.later = true
	}
	v.answer(with, detail)
	if in == nil {
		in = v.intake()
	}
	v.linger(in, v.r.Context().Err() != nil)
}

// linger has the connection end with this response if the request is not whole, once all of it has gone; see
// [strictConn.Close]. HTTP/2 tells the client to stop, and the other streams go on. gone says that nobody is there.
func (v *visit) linger(in *intake, gone bool) {
	switch {
	case in.whole.Load():
		http.NewResponseController(v.w).SetReadDeadline(time.Time{})
	case v.r.ContentLength == 0 || v.r.ProtoMajor != 1 || v.conn == nil:
	default:
		waits := in.got == 0 && v.value("Expect") != "" // for leave to send a body
		v.conn.EndAfter(!waits && !gone)
	}
}

// tooMany answers a request over the limit. Without a body to get rid of the connection stays: a new one would cost
// more than the request.
func (v *visit) tooMany() {
	with := verdict{status: http.StatusTooManyRequests}
	v.refused(with.status, "")
	v.reply(with)
}
