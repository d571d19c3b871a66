// A request without a server.

package httppool

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Do has the workers answer a request as if a client had sent it: the method, URL, Host, Header, Body, ContentLength,
// Trailer and RemoteAddr of r count. The response's Body has to be closed, which ends what is left of the request, as
// the end of ctx does; its Trailer is whole once Body was read to its end. A request that fails has a response, too,
// such as a 502 or a 503. An error says that there is none: ctx has ended, or the answer broke off before its head.
//
// As with [http.Transport] r's Body is closed, perhaps after Do has returned, and its Read has to end then; the length
// of a Body with a ContentLength of 0 is not known. Informational responses go to an [httptrace.ClientTrace] of ctx.
func (p *Pool) Do(ctx context.Context, r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(ctx)
	upload := &upload{ReadCloser: r.Body}
	own := asked(ctx, r, upload)
	reader, writer := io.Pipe()
	a := &answer{
		header: http.Header{}, body: writer, upload: upload, trace: httptrace.ContextClientTrace(ctx),
		headed: make(chan struct{}), ended: make(chan struct{}),
		response: http.Response{Proto: own.Proto, ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: -1,
			Body: &answerBody{reader, cancel}},
	}
	// nobody may be reading
	context.AfterFunc(ctx, func() { writer.CloseWithError(context.Cause(ctx)) })
	go func() { // ends with the answer or with ctx, which ends when Body is closed
		defer cancel()
		a.end(p.serve(a, own))
		upload.Close()
	}()
	select {
	case <-a.headed:
	case <-a.ended:
	}
	select {
	case <-a.headed:
		return &a.response, nil
	default:
		return nil, a.failed
	}
}

// asked is the request as a server would have it.
func asked(ctx context.Context, r *http.Request, body *upload) *http.Request {
	own := r.Clone(ctx)
	own.Proto, own.ProtoMajor, own.ProtoMinor = "HTTP/1.1", 1, 1
	own.Close, own.TransferEncoding = false, nil
	if own.Method == "" {
		own.Method = http.MethodGet
	}
	if own.Host == "" {
		own.Host = own.URL.Host
	}
	own.RequestURI = own.URL.RequestURI()
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		own.Body, own.ContentLength, body.ReadCloser = http.NoBody, 0, http.NoBody
	case r.ContentLength == 0:
		own.ContentLength = -1
		fallthrough
	default:
		own.Body, own.Trailer = body, r.Trailer // which has its values when the body is read
	}
	return own
}

// errBroken is why a response has no end.
var errBroken = errors.New("httppool: the response broke off")

// serve is the answer; an error says that it can't be whole.
func (p *Pool) serve(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch failure := recover(); {
		case failure == http.ErrAbortHandler && r.Context().Err() != nil:
			err = context.Cause(r.Context())
		case failure == http.ErrAbortHandler:
			err = errBroken
		case failure != nil:
			panic(failure)
		}
	}()
	p.web.Serve(w, r, nil)
	return nil
}

// answer is the [http.ResponseWriter] that makes a response of what is written. The handler's goroutine has it to
// itself, until headed is closed and response belongs to whoever asked.
type answer struct {
	header   http.Header
	body     *io.PipeWriter
	upload   *upload
	trace    *httptrace.ClientTrace // nil: nobody wants informational responses
	response http.Response
	head     bool
	headed   chan struct{} // closed when the response has its head
	ended    chan struct{} // closed when all of it is over
	failed   error         // why there is none; set before ended
}

// Header implements [http.ResponseWriter].
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	if a.head {
		return
	}
	if status < 200 {
		if a.trace != nil && a.trace.Got1xxResponse != nil {
			a.trace.Got1xxResponse(status, textproto.MIMEHeader(a.header.Clone()))
		}
		return
	}
	a.head = true
	r := &a.response
	r.StatusCode, r.Status = status, strconv.Itoa(status)+" "+http.StatusText(status)
	r.Header, r.Trailer = http.Header{}, http.Header{}
	for name, values := range a.header {
		if len(values) > 0 && !strings.HasPrefix(name, http.TrailerPrefix) {
			r.Header[name] = append([]string(nil), values...)
		}
	}
	if n, err := strconv.ParseInt(r.Header.Get("Content-Length"), 10, 64); err == nil {
		r.ContentLength = n
	}
	close(a.headed)
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// FlushError is for [http.ResponseController]: nothing waits to be flushed.
func (a *answer) FlushError() error {
	a.WriteHeader(http.StatusOK)
	return nil
}

// SetReadDeadline is for [http.ResponseController].
func (a *answer) SetReadDeadline(t time.Time) error {
	a.upload.setDeadline(t)
	return nil
}

// end is the last of an answer, which with an error is not whole.
func (a *answer) end(err error) {
	if err == nil {
		a.WriteHeader(http.StatusOK)
		for name, values := range a.header {
			if name, is := strings.CutPrefix(name, http.TrailerPrefix); is {
				a.response.Trailer[http.CanonicalHeaderKey(name)] = values
			}
		}
	}
	a.failed = err
	close(a.ended)
	a.body.CloseWithError(err) // nil is io.EOF
}

// answerBody is what is left of an answer.
type answerBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b *answerBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// upload is a request's body, whose Read ends at a deadline.
type upload struct {
	io.ReadCloser
	once sync.Once

	mu    sync.Mutex
	timer *time.Timer // guarded by mu; nil: there is no deadline
	late  bool        // guarded by mu
}

func (u *upload) setDeadline(t time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.timer != nil {
		u.timer.Stop()
		u.timer = nil
	}
	if !t.IsZero() && !u.late {
		u.timer = time.AfterFunc(time.Until(t), u.expire)
	}
}

func (u *upload) expire() {
	u.mu.Lock()
	u.late = true
	u.mu.Unlock()
	u.Close()
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil && err != io.EOF && u.late {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// Close implements io.Closer.
func (u *upload) Close() (err error) {
	u.once.Do(func() { err = u.ReadCloser.Close() })
	u.setDeadline(time.Time{})
	return err
}
