// The way of a request: check, static file, body, Submit, response.

package web

import (
	"errors"
	"net/http"
	"slices"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

var closing = []string{"close"}

// handle answers the request, or panics as serve does. What it returns, if anything, is a held response that has to
// stay with its handler.
func (v *visit) handle() *peer.Held {
	if !v.admit() || !v.authorized() {
		return nil
	}
	return v.proceed()
}

// proceed answers a request that was admitted, and returns what handle does.
func (v *visit) proceed() *peer.Held {
	upgraded := v.terms.Route.Status == 0 && v.terms.Hub != nil && upgrades(v.r) && v.upgrade()
	if upgraded || v.servePublic(func() {}) || v.answerByRoute() || v.showFault() {
		return nil
	}
	return v.forward()
}

// admit says whether the request may be answered. If not, it has been refused.
func (v *visit) admit() bool {
	r := v.r
	if len(r.TransferEncoding) > 0 {
		// A front that read the framing differently finds nothing behind this request to smuggle.
		v.w.Header()["Connection"] = closing
	}
	v.identify()
	target, status, wrong := r.RequestURI, 0, ""
	if v.listed == nil { // what is plain breaks no rule
		target, status, wrong = check(r) // as it came: a proxy may have more to say of its host
	}
	v.target = target
	if p := v.terms.Proxies; p != nil && !p.Trusts(r.RemoteAddr) {
		v.remove(guard.OfProxies)
	} else if p != nil {
		v.header()
		var err error
		if v.scheme, err = p.Believe(r); err != nil {
			remedy := ": let the proxy in front remove the header that it does not set"
			v.refuse(nil, verdict{status: http.StatusBadRequest}, err.Error()+remedy)
			return false
		}
	}
	if v.terms.Proxies == nil && v.terms.Certified {
		v.remove(guard.OfCertificates)
	}
	v.dropNamed() // after the proxies' word, which no Connection takes back
	if status == 0 && v.challenged() && v.answerChallenge() {
		return false
	}
	v.passOn()
	if v.terms.Routes != nil && status == 0 {
		status, wrong = v.choose()
	}
	if !v.withinLimits() {
		return false
	}
	switch status {
	case 0:
		return !v.crossOrigin() && !v.shut()
	case http.StatusForbidden:
		v.turnedAway(RefusedAddress)
		v.reply(verdict{status: status, text: "There is nothing here for this address."})
	case http.StatusNotFound, http.StatusMisdirectedRequest:
		v.refused(status, wrong)
		v.reply(verdict{status: status})
	default:
		v.refuse(nil, verdict{status: status}, wrong)
	}
	return false
}

// shut answers a request that is not for now, and says whether it was one.
func (v *visit) shut() bool {
	if v.handler.options.Shut == nil {
		return false
	}
	text, wait, is := v.handler.options.Shut(v.terms.Route.Name, v.r.RequestURI, v.r.RemoteAddr)
	if !is {
		return false
	}
	with := verdict{status: http.StatusServiceUnavailable, text: text, words: text != "", later: true}
	if !with.words {
		with.text = "Somebody is working on this site. Please come back in a few minutes."
	}
	if wait > 0 {
		v.w.Header()["Retry-After"] = []string{retryAfter(wait)}
		with.later = false
	}
	v.turnedAway(RefusedMaintenance)
	v.reply(with)
	return true
}

// withinLimits says whether the client asks seldom enough. If not, it has been refused.
func (v *visit) withinLimits() bool {
	if v.terms.Proxies != nil && v.terms.Proxies.Trusts(v.r.RemoteAddr) {
		return true // one that names no client may speak for many
	}
	limits := v.guards.limits
	if own := v.terms.RateLimit; own != nil && !slices.Contains(limits, own) {
		limits = append(limits, own)
	}
	for _, limit := range limits {
		if wait := limit.Allow(v.r.RemoteAddr); wait > 0 {
			v.w.Header()["Retry-After"] = []string{retryAfter(wait)}
			v.tooMany()
			return false
		}
	}
	return true
}

// forward has the Backend answer, and returns what handle does.
func (v *visit) forward() *peer.Held {
	if v.mayTunnel() {
		return v.offerTunnel()
	}
	x := v.exchange()
	defer x.leave()
	// a stream of gRPC has no end before its answer
	whole := v.terms.Backend.Traits().WholeBody && !isGRPC(v.value("Content-Type"))
	passOn, err := x.takeBody(v, whole)
	if err != nil {
		v.refuseBody(err)
		return nil
	}
	if passOn {
		return x.streamBoth(v, v.in)
	}
	x.submit()
	return x.respond(v)
}

// exchange makes one of the request, but for its body.
func (v *visit) exchange() *exchange {
	traits := v.terms.Backend.Traits()
	x := newExchange(v, traits.Spool)
	x.claim(v)
	x.describe(v)
	if traits.Local {
		x.request.Local = local(v.r)
	}
	x.Repeatable, x.Keyed = v.repeatable(traits.Retry)
	x.Timeout = v.terms.Route.Timeout
	if len(traits.Priority) > 0 {
		path, ok := protocol.CanonicalPath(v.target)
		x.Priority = ok && slices.Contains(traits.Priority, path)
	}
	return x
}

// takeBody reads the body, if there is one: forms always, others if they are to be whole. passOn says that it is left
// to be sent on as it comes. After an error refuseBody has to answer.
func (x *exchange) takeBody(v *visit, whole bool) (passOn bool, err error) {
	r, m := v.r, &x.request
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		m.Flags, m.Length = protocol.FlagEnd, 0
		return false, nil
	}
	in := v.intake()
	m.Length = r.ContentLength
	boundary, isForm := "", false
	if v.terms.Backend.Traits().Forms {
		boundary, isForm, err = formBoundary(v.value("Content-Type"))
	}
	// so "try again later" would be untrue
	neverFits := (isForm || whole) && r.ContentLength-v.terms.Limits.BodyBuffer > v.handler.spool.Quota()
	switch {
	case r.ContentLength > in.max || neverFits:
		return false, &badBody{http.StatusRequestEntityTooLarge, errTooLong}
	case err != nil:
		return false, &badBody{http.StatusBadRequest, err}
	case isForm:
		err = x.takeForm(in, boundary)
	case whole:
		err = x.takeWhole(in)
	default:
		return true, nil
	}
	if err == nil && x.large != nil {
		x.refs.Add(1)
		go func() { // ends with the exchange
			defer x.drop()
			x.pump(&stored{body: x.large})
		}()
	}
	return false, err
}

// refuseBody answers a request whose body takeBody could not take.
func (v *visit) refuseBody(err error) {
	var bad *badBody
	if !errors.As(err, &bad) {
		bad = &badBody{http.StatusInternalServerError, err}
	}
	v.refuse(v.in, verdict{status: bad.Status}, bad.err.Error())
}

// streamBoth sends the body on as it comes, while the response may come already.
func (x *exchange) streamBoth(v *visit, in *intake) *peer.Held {
	if v.r.ProtoMajor == 1 {
		// else net/http throws the rest of the upload away once the response begins
		http.NewResponseController(v.w).EnableFullDuplex()
	}
	x.Repeatable, x.Keyed = false, false
	x.more = make(chan struct{}, 1)
	up := &upload{in: in, pumped: make(chan struct{})}
	x.upload = up
	x.refs.Add(1)
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
			v.linger(in, gone)
		}
	}()
	x.submit()
	kept := x.respond(v)
	answered, gone = true, v.r.Context().Err() != nil // which to end the pump may cause, too
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
