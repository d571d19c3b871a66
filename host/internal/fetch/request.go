// request.go: one fetch, from its request to the last byte of the answer.

package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/fetch/reach"
	"github.com/workerhost/workerhost/protocol"
)

// mostHops is how many redirects are followed.
const mostHops = 5

var (
	errFirstByte = errors.New("no answer within first_byte_timeout")
	errTimeout   = errors.New("it was not over within its time")
	errTooLong   = errors.New("the answer is longer than max_size")
)

// forbidden is the error of a redirect to where the terms do not lead.
type forbidden struct{ error }

// result is how a fetch went.
type result struct {
	end     string
	reason  string
	status  int
	headers []string
	length  int64
	kept    []byte
}

// run is the fetch's goroutine.
func (x *exchange) run(ctx context.Context, cancel context.CancelCauseFunc) {
	f, began := x.fetch, time.Now()
	defer x.room.running.Done()
	defer cancel(nil)
	limit := f.terms.Timeout
	if own := time.Duration(f.Timeout) * time.Millisecond; own > 0 && (limit == 0 || own < limit) {
		limit = own
	}
	if limit > 0 {
		defer time.AfterFunc(limit, func() { cancel(errTimeout) }).Stop()
	}
	var done result
	failure := x.pass(ctx, cancel, &done, began)
	x.settle(ctx, &done, failure, began)
	f.body = nil
	x.room.reserve(-f.reserved) // what is kept goes with FETCHED
	x.room.leave(f.host)
	x.room.counted.end(done.end, done.length)
	x.note(&done, time.Since(began))
}

// pass makes the request, and passes the answer on. It returns why that broke off.
func (x *exchange) pass(ctx context.Context, cancel context.CancelCauseFunc, done *result, began time.Time) error {
	f := x.fetch
	var first *time.Timer
	if f.terms.FirstByte > 0 {
		first = time.AfterFunc(f.terms.FirstByte, func() { cancel(errFirstByte) })
		defer first.Stop()
	}
	answer, err := f.ask(ctx, x.room.agent)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if first != nil && !first.Stop() {
		return errFirstByte
	}
	x.room.counted.head(time.Since(began))
	done.status, done.headers = answer.StatusCode, pairs(answer.Header)
	head := f.head(answer, x.Request.(*protocol.Request).Method)
	bodiless := f.Method == http.MethodHead || answer.StatusCode == 204 || answer.StatusCode == 304
	if bodiless {
		head.Flags = protocol.FlagEnd
	}
	x.tell(func() { x.client.Respond(head) })
	if bodiless {
		return nil
	}
	return x.copy(ctx, answer.Body, done)
}

const (
	smallRead = 1 << 10
	largeRead = 32 << 10
)

var buffers = sync.Pool{New: func() any { return new([largeRead]byte) }}

// copy passes the body on, as fast as the front takes it. What a fetch has while it waits is small, since most of
// them wait; only one that finds its buffer full gets a large one for the next read.
func (x *exchange) copy(ctx context.Context, body io.Reader, done *result) error {
	f := x.fetch
	var small [smallRead]byte
	p := small[:]
	var lent *[largeRead]byte
	defer func() {
		if lent != nil {
			buffers.Put(lent)
		}
	}()
	for {
		if err := f.await(ctx); err != nil {
			return err
		}
		n, err := body.Read(p)
		if n > 0 {
			done.length += int64(n)
			if most := f.terms.MaxSize; most > 0 && done.length > most {
				return errTooLong
			}
			x.keep(p[:n], done)
			f.credit.Add(-int64(n))
			x.tell(func() { x.client.Data(&protocol.Data{Bytes: p[:n]}) })
		}
		switch {
		case err == io.EOF:
			x.tell(func() { x.client.Data(&protocol.Data{Flags: protocol.FlagEnd}) })
			return nil
		case err != nil:
			return err
		case n == len(p) && lent == nil:
			lent = buffers.Get().(*[largeRead]byte)
			p = lent[:]
		case n < smallRead && lent != nil:
			buffers.Put(lent)
			lent, p = nil, small[:]
		}
	}
}

// keep notes what FETCHED is to have of the body.
func (x *exchange) keep(p []byte, done *result) {
	f := x.fetch
	p = p[:min(int64(len(p)), f.Keep-int64(len(done.kept)))]
	switch {
	case len(p) == 0:
	case x.room.reserve(int64(len(p))):
		done.kept = append(done.kept, p...)
	default:
		x.complain("less is kept of an answer than is asked for", f.url.String(), crowdMemory, "kept", len(done.kept))
		f.Keep = int64(len(done.kept))
	}
}

// await waits until the front takes more.
func (f *fetch) await(ctx context.Context) error {
	for f.credit.Load() <= 0 {
		select {
		case <-f.more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// settle tells the front how it ended, and fills in what FETCHED says of that.
func (x *exchange) settle(ctx context.Context, done *result, failure error, began time.Time) {
	if failure == nil {
		done.end = protocol.FetchComplete
		x.end(nil)
		return
	}
	if cause := context.Cause(ctx); cause != nil { // the error is what came of it
		failure = cause
	}
	kind := protocol.FailedFetch
	done.end, done.reason = protocol.FetchBroke, reasonOf(failure)
	var wrong forbidden
	switch {
	case errors.Is(failure, errLeft):
		done.end, kind = protocol.FetchLeft, protocol.FailedCancelled
	case errors.Is(failure, errFirstByte), errors.Is(failure, errTimeout):
		done.end, kind = protocol.FetchTimeout, protocol.FailedFetchTimeout
	case errors.Is(failure, errTooLong):
		done.end = protocol.FetchLimit
	case errors.As(failure, &wrong), errors.Is(failure, reach.ErrForbidden):
		done.end = protocol.FetchRefused
	case errors.Is(failure, context.Canceled):
		kind, done.reason = protocol.FailedStopping, isClosed
	}
	if kind != protocol.FailedCancelled && done.status == 0 { // after the head the front has a line of its own
		x.complain("a fetch has failed", x.fetch.url.String(), done.reason, "took", time.Since(began).String())
	}
	if done.status == 0 && kind != protocol.FailedCancelled && kind != protocol.FailedStopping &&
		x.retell(done.reason) {
		return
	}
	x.end(&protocol.Failure{Kind: kind, Detail: done.reason})
}

// reasonOf says why, without the URL, which package http puts before its errors, and which may have secrets.
func reasonOf(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "the other end broke off: " + err.Error()
	}
	return err.Error()
}

// ask makes the request, and those that redirects lead to.
func (f *fetch) ask(ctx context.Context, agent string) (*http.Response, error) {
	method, body, at := f.Method, f.body, f.url
	for hops := 0; ; hops++ {
		header, err := f.header(at, agent)
		if err != nil {
			return nil, forbidden{err}
		}
		if method != f.Method {
			header.Del("Content-Type")
		}
		r := (&http.Request{Method: method, URL: at, Host: at.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1,
			ProtoMinor: 1}).WithContext(ctx)
		if len(body) > 0 {
			r.ContentLength = int64(len(body))
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
			r.Body, _ = r.GetBody()
		}
		answer, err := f.terms.client.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		if answer.StatusCode < 200 { // 101: package http hands the connection over, which ctx ends no more
			answer.Body.Close()
			return nil, fmt.Errorf("it answered %d, which nobody asked for", answer.StatusCode)
		}
		next := f.redirect(answer, at)
		if next == nil {
			return answer, nil
		}
		io.CopyN(io.Discard, answer.Body, smallRead) // so that its connection can be used again
		answer.Body.Close()
		if hops == mostHops {
			return nil, forbidden{fmt.Errorf("it was led on more than %d times", mostHops)}
		}
		if s := answer.StatusCode; s != 307 && s != 308 && method != http.MethodGet && method != http.MethodHead {
			method, body = http.MethodGet, nil
		}
		at = next
	}
}

// redirect is where an answer leads; nil: it is to be passed on.
func (f *fetch) redirect(answer *http.Response, from *url.URL) *url.URL {
	switch answer.StatusCode {
	case 301, 302, 303, 307, 308:
	default:
		return nil
	}
	location := answer.Header.Get("Location")
	if location == "" {
		return nil
	}
	to, err := from.Parse(location)
	if err != nil {
		return nil
	}
	if from.Scheme == "https" && to.Scheme == "http" {
		return nil // passed on, as any that is not allowed: it is the client's to follow
	}
	to.Fragment, to.RawFragment = "", ""
	at, err := f.terms.target(to.String())
	if err != nil {
		return nil
	}
	if _, err := f.header(at, ""); err != nil { // a secret of it must not go there
		return nil
	}
	return at
}

// header is that of the request to u, secrets filled in. Where a redirect leads to another host that gets neither
// Authorization nor Cookie.
func (f *fetch) header(u *url.URL, agent string) (http.Header, error) {
	h := http.Header{"User-Agent": {agent}}
	elsewhere := u.Host != f.url.Host || u.Scheme != f.url.Scheme
	given := false
	for i := 0; i+1 < len(f.Headers); i += 2 {
		name, value := http.CanonicalHeaderKey(f.Headers[i]), f.Headers[i+1]
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Te", "Trailer",
			"Transfer-Encoding", "Upgrade", "Content-Length", "Expect":
			continue
		case "Authorization", "Cookie":
			if elsewhere {
				continue
			}
		case "User-Agent":
			if !given {
				h.Del(name)
			}
			given = true
		}
		value, err := f.terms.Fill(name, value, u)
		if err != nil {
			return nil, err
		}
		h[name] = append(h[name], value)
	}
	return h, nil
}

// ofOrigin are fields with which a server speaks for its whole origin, which here is the host's: they go on only by
// their names.
var ofOrigin = map[string]bool{"Set-Cookie": true, "Set-Cookie2": true, "Strict-Transport-Security": true,
	"Alt-Svc": true, "Clear-Site-Data": true, "Service-Worker-Allowed": true, "Report-To": true, "Nel": true,
	"Reporting-Endpoints": true, "Public-Key-Pins": true}

// never go on: they are about the connection to the other end, or ask the host for something.
var never = map[string]bool{"Connection": true, "Keep-Alive": true, "Proxy-Connection": true,
	"Proxy-Authenticate": true, "Proxy-Authorization": true, "Te": true, "Trailer": true, "Transfer-Encoding": true,
	"Upgrade": true, "Content-Length": true, Header: true}

// head is what the client, who asked with a method of its own, gets of the answer's.
func (f *fetch) head(answer *http.Response, method string) *protocol.Response {
	m := &protocol.Response{Status: f.status, Headers: f.own}
	all, named, own := false, map[string]bool{}, map[string]bool{}
	for _, name := range f.Pass {
		switch name {
		case protocol.PassAll:
			all = true
		case protocol.PassStatus:
			m.Status = answer.StatusCode
		default:
			named[http.CanonicalHeaderKey(name)] = true
		}
	}
	for i := 0; i+1 < len(f.own); i += 2 {
		own[http.CanonicalHeaderKey(f.own[i])] = true
	}
	delete(own, "Set-Cookie") // each sets a cookie of its own
	for _, value := range answer.Header["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			own[http.CanonicalHeaderKey(strings.TrimSpace(name))] = true // it is about that connection as well
		}
	}
	for name, values := range answer.Header {
		origins := ofOrigin[name] || strings.HasPrefix(name, "Access-Control-")
		goes := named[name] || all && !origins || name == "Content-Encoding" // without it nobody can read the body
		if !goes || never[name] || own[name] {
			continue
		}
		for _, value := range values {
			m.Headers = append(m.Headers, name, value)
		}
	}
	ofBody := f.Method != http.MethodHead || method == http.MethodHead // that there is, or that is known not to come
	if answer.ContentLength >= 0 && !own["Content-Length"] && ofBody && answer.StatusCode != 204 &&
		answer.StatusCode != 304 {
		m.Headers = append(m.Headers, "Content-Length", strconv.FormatInt(answer.ContentLength, 10))
	}
	return m
}

// pairs are the fields of a header, sorted by nothing.
func pairs(h http.Header) (all []string) {
	for name, values := range h {
		for _, value := range values {
			all = append(all, name, value)
		}
	}
	return all
}
