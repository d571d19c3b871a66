// Responses that the host fetches: a request that it makes in the worker's stead (SPEC.md §15).

package sdk

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// ErrNoFetch says that nothing may be fetched for this pool, or that this code is only tried.
var ErrNoFetch = errors.New(`sdk: the host fetches nothing for this pool: name what it may in host.toml, ` +
	`[pool.NAME.fetch] allow = ["https://…"], and reload`)

// PassAll among [FetchRequest].Pass stands for all fields but those that speak for a whole origin, such as Set-Cookie.
const PassAll = protocol.PassAll

// FetchRequest is a request that the host makes for [Fetch].
type FetchRequest struct {
	URL    string // one that [pool.NAME.fetch] allows; without user, password and fragment
	Method string // "" is GET
	// Header is the request's. {secret:NAME} in a value stands for a secret of host.toml, which this program does not
	// know. Of the client's own header nothing goes on by itself.
	Header http.Header
	Body   io.Reader // is read by Fetch; nil is none
	// Pass names what goes on of the answer's header: fields, which may be Set-Cookie, or [PassAll]; nil is PassAll
	// alone. Fields that the handler has set in its own header take their place.
	Pass []string
	// Context is for [Worker].OnFetched: what a [Session] may hold, at most 64 KiB of it
	Context any
	Keep    int64         // how many bytes of the answer's body OnFetched is to have; the pool sets a limit
	Timeout time.Duration // for all of it; 0 is the pool's, which it does not exceed
}

// Fetch leaves the response to the host, which asks for what f says and streams the answer to the client: the handler
// returns, the worker is free, and the fetch goes on through reloads and the worker's end. A client that is slow slows
// the source, and one that leaves ends it. [Worker].OnFetched learns how it ended, [Worker].OnFetchFailed answers
// where nothing came.
//
//	err := sdk.Fetch(w, sdk.FetchRequest{URL: "https://api.example/v1/chat", Method: "POST", Body: r.Body,
//		Header: http.Header{"Authorization": {"Bearer {secret:MODEL}"}}, Context: user, Keep: 64 << 10})
//
// The client gets the answer's status, or the one that was set with WriteHeader before. Nothing else may have been
// written, and nothing can be afterwards. What host.toml does not allow is a 502, which the log explains. Fetch fails
// with [ErrNoFetch] where nothing is allowed, with [ErrNoHost] under another server than the host, and if the body
// can't be read; the response is the handler's then, unless a part of a long body has gone: that breaks it off.
func Fetch(w http.ResponseWriter, f FetchRequest) error {
	own := unwrap(w)
	if own == nil {
		return ErrNoHost
	}
	if !slices.Contains(own.s.link.offers, protocol.FeatureFetch) {
		return ErrNoFetch
	}
	asked, err := f.element()
	if err != nil {
		return err
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	switch {
	case own.over:
		return errReturned
	case own.hijacked != nil:
		return http.ErrHijacked
	case own.retold:
		return errors.New("sdk: Fetch: one has failed for this request already")
	case own.headSent || own.written > 0:
		return errors.New("sdk: Fetch: the response has begun already")
	case own.file != "" || own.hold != nil || own.fetch != nil:
		return errors.New("sdk: Fetch: the response has been left to the host already")
	case own.status == http.StatusSwitchingProtocols:
		return errors.New("sdk: Fetch: the response has the status 101")
	case own.length >= 0 || own.header.Get("Content-Length") != "":
		return errors.New("sdk: Fetch: a response that is fetched has no Content-Length of its own")
	}
	return own.leaveTo(asked, f.Body)
}

// element is what RESPONSE says of f, all but the status.
func (f *FetchRequest) element() (*protocol.Fetch, error) {
	if f.Keep < 0 || f.Timeout < 0 {
		return nil, fmt.Errorf("sdk: Fetch: it keeps %d bytes for %v, and neither can be negative", f.Keep, f.Timeout)
	}
	e := &protocol.Fetch{URL: f.URL, Method: strings.ToUpper(f.Method), Keep: f.Keep, Timeout: milliseconds(f.Timeout),
		Pass: slices.Clone(f.Pass)}
	if f.Pass == nil {
		e.Pass = []string{PassAll}
	}
	for name, values := range f.Header {
		for _, value := range values {
			e.Headers = append(e.Headers, name, value)
		}
	}
	if err := protocol.CheckHeaders(e.Headers); err != nil {
		return nil, fmt.Errorf("sdk: Fetch: %w", err)
	}
	var err error
	if e.Context, err = encode(f.Context); err != nil {
		return nil, fmt.Errorf("sdk: the fetch's context: %w", err)
	}
	return e, nil
}

// milliseconds is d, and never less.
func milliseconds(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

// leaveTo leaves the response to the host, with body for its request. Under mu.
func (w *response) leaveTo(asked *protocol.Fetch, body io.Reader) error {
	if w.status == 0 {
		w.fixHead(http.StatusOK)
		asked.Pass = append(asked.Pass, protocol.PassStatus)
	}
	w.fetch, w.known.sniff, w.known.announced = asked, false, nil
	if body == nil {
		return nil
	}
	_, err := io.Copy(fetchBody{w}, body)
	switch {
	case err == nil || w.s.failure() != nil:
	case w.headSent:
		w.s.giveUp(&protocol.Reset{Stream: w.s.id, Code: protocol.ResetInternal,
			Reason: brief("the body of what was to be fetched could not be read: " + err.Error())})
	default: // nobody has heard of it
		w.giveBack()
		w.status, w.fetch, w.known, w.length = 0, nil, headFacts{}, -1
	}
	return err
}

// fetchBody takes the body of the request that the host is to make.
type fetchBody struct{ w *response }

// Write implements [io.Writer]. Under mu.
func (b fetchBody) Write(p []byte) (int, error) { return gatherBody(b.w, p) }
