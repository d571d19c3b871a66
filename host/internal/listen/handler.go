// The way of a request: check, static file, body, Submit, response.

package listen

import (
	"errors"
	"net/http"
	"slices"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

var closing = []string{"close"}

// handle answers a request, or panics as serve does. What it returns, if anything, is a held response that has to stay
// with its handler.
func (s *Server) handle(w http.ResponseWriter, r *http.Request) *peer.Held {
	if len(r.TransferEncoding) > 0 {
		// A front that read the framing differently finds nothing behind this request to smuggle.
		w.Header()["Connection"] = closing
	}
	under := s.hold() // an exchange keeps them longer
	defer under.release()
	id := under.identify(w, r)
	target, status, wrong := check(r) // as it came: a proxy may have more to say of its host
	scheme := ""
	if p := under.Proxies; p != nil {
		var err error
		if scheme, err = p.Believe(r); err != nil {
			remedy := ": let the proxy in front remove the header that it does not set"
			s.refuse(w, r, nil, verdict{status: http.StatusBadRequest}, err.Error()+remedy)
			return nil
		}
	}
	// a proxy that names no client may speak for many
	if limit := under.RateLimit; limit != nil && (under.Proxies == nil || !under.Proxies.Trusts(r.RemoteAddr)) {
		if wait := limit.Allow(r.RemoteAddr); wait > 0 {
			w.Header()["Retry-After"] = []string{retryAfter(wait)}
			s.tooMany(w, r)
			return nil
		}
	}
	if status != 0 {
		s.refuse(w, r, nil, verdict{status: status}, wrong)
		return nil
	}
	if s.options.Hub != nil && upgrades(r) && s.upgrade(w, r, target, scheme, id) {
		return nil
	}
	if public := s.public.Load(); public != nil && s.servePublic(public, w, r) {
		return nil
	}
	if s.showFault(w, r) {
		return nil
	}
	return s.forward(w, r, under, target, scheme, id)
}

// forward has the Backend answer, and returns what handle does.
func (s *Server) forward(w http.ResponseWriter, r *http.Request, under *terms, target, scheme, id string) *peer.Held {
	traits := under.Backend.Traits()
	x := newExchange(s, under, traits.Spool)
	defer x.leave()
	x.claim(r)
	if x.record = recordOf(w); x.record != nil {
		x.record.pool = traits.Pool
	}
	x.request.ID = id
	x.describe(r, target)
	if traits.Local {
		x.request.Local = local(r)
	}
	if scheme != "" {
		x.request.Scheme = scheme
	}
	x.Repeatable, x.Keyed = repeatable(r, traits.Retry)
	x.Priority = len(traits.Priority) > 0 && slices.Contains(traits.Priority, r.URL.Path)
	m := &x.request

	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		m.Flags, m.Length = protocol.FlagEnd, 0
		x.submit()
		return x.respond(w, r)
	}
	in := under.intake(w, r)
	m.Length = r.ContentLength
	boundary, isForm := "", false
	var err error
	if traits.Forms {
		boundary, isForm, err = formBoundary(r.Header.Get("Content-Type"))
	}
	neverFits := (isForm || traits.WholeBody) && r.ContentLength-under.Limits.BodyBuffer > s.spool.Quota() // so "try again later" would be untrue
	if r.ContentLength > in.max || neverFits {
		s.refuse(w, r, in, verdict{status: http.StatusRequestEntityTooLarge}, errTooLong.Error())
		return nil
	}
	switch {
	case err != nil:
		err = &badBody{http.StatusBadRequest, err}
	case isForm:
		err = x.takeForm(in, boundary)
	case traits.WholeBody:
		err = x.takeWhole(in)
	default:
		return x.streamBoth(w, r, in)
	}
	if err != nil {
		var bad *badBody
		if !errors.As(err, &bad) {
			bad = &badBody{http.StatusInternalServerError, err}
		}
		s.refuse(w, r, in, verdict{status: bad.Status}, bad.err.Error())
		return nil
	}
	if x.large != nil {
		x.holds.Add(1)
		go func() { // ends with the exchange
			defer x.drop()
			x.pump(&stored{body: x.large})
		}()
	}
	x.submit()
	return x.respond(w, r)
}

// streamBoth sends the body on as it comes, while the response may come already.
func (x *exchange) streamBoth(w http.ResponseWriter, r *http.Request, in *intake) *peer.Held {
	if r.ProtoMajor == 1 {
		http.NewResponseController(w).EnableFullDuplex() // else net/http throws the rest of the upload away once the response begins
	}
	x.Repeatable, x.Keyed = false, false
	x.more = make(chan struct{}, 1)
	up := &upload{in: in, pumped: make(chan struct{})}
	x.upload = up
	x.holds.Add(1)
	go func() { // ends with the body or with the handler, which waits for it
		defer close(up.pumped)
		defer x.drop()
		x.pump(&live{in: in})
	}()
	answered, gone := false, false
	defer func() {
		if x.upload == nil {
			return // the client is not net/http's any more
		}
		if x.endUpload(); answered {
			linger(w, r, in, gone)
		}
	}()
	x.submit()
	kept := x.respond(w, r)
	answered, gone = true, r.Context().Err() != nil // which to end the pump may cause, too
	return kept
}

// upload is a body on its way straight to the worker.
type upload struct {
	in     *intake
	pumped chan struct{} // closed when the pump has ended
}

// unfinished says whether the answer comes before all of the body has: over HTTP/1 no other request can follow then.
func (u *upload) unfinished() bool { return u != nil && !u.in.whole.Load() }

// endUpload ends the pump, which may wait for the client. It is the handler's to call.
func (x *exchange) endUpload() {
	x.mu.Lock()
	x.left = true
	x.mu.Unlock()
	signal(x.more)
	x.upload.in.stop()
	<-x.upload.pumped
}
