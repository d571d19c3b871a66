// The adapter: a worker's handler, in this process, that has a FastCGI server answer.

package fastcgi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
	sdk "github.com/workerhost/workerhost/sdk-go"
)

// adapter answers the requests of one worker.
type adapter struct {
	site     site
	client   client
	software string
	retry    protocol.Retry
	log      *slog.Logger
	said     *said           // what the server's process says; nil: it is none of ours
	exited   <-chan struct{} // closed when the server's process has exited; nil: it is none of ours
	give     func()          // ends that process
	over     chan struct{}   // closed when nobody waits for answers any more
	single   bool            // each request has a connection of its own
	unasked  atomic.Int32    // requests that the server can't have; the link ends after their last word

	mu     sync.Mutex
	atHand map[*http.Request]visit // guarded by mu
}

// visit is a request at hand.
type visit struct {
	began  time.Time
	script string // that was found for it
}

// enter notes that a request is at hand.
func (a *adapter) enter(r *http.Request, script string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.atHand[r] = visit{time.Now(), script}
}

func (a *adapter) leave(r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.atHand, r)
}

// busy says whether a request is at hand.
func (a *adapter) busy() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.atHand) > 0
}

// began says whether a request is at hand that began before a time.
func (a *adapter) began(before time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range a.atHand {
		if v.began.Before(before) {
			return true
		}
	}
	return false
}

// deathGrace is from the end of a connection to the end of the process that had it, if it has one.
const deathGrace = 200 * time.Millisecond

// ServeHTTP implements [http.Handler].
func (a *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	canonical, _ := protocol.CanonicalPath(r.RequestURI)
	found := a.site.find(canonical)
	a.enter(r, found.script)
	defer a.leave(r)
	switch {
	case found.status != 0:
		http.Error(w, http.StatusText(found.status), found.status)
		return
	case found.redirect != "":
		to := url.URL{Path: found.redirect, RawQuery: r.URL.RawQuery}
		w.Header().Set("Location", to.String())
		w.WriteHeader(http.StatusMovedPermanently)
		return
	case r.ContentLength < 0: // CGI knows no body without a length
		http.Error(w, http.StatusText(http.StatusLengthRequired), http.StatusLengthRequired)
		return
	}
	repeatable := r.ContentLength == 0 && a.retry != protocol.RetryNever && isSafe(r.Method)
	for attempt := 1; ; attempt++ {
		c := call{a: a, w: w, r: r}
		err := c.do(found, a.single || !repeatable || attempt > 1)
		switch {
		case err == nil || r.Context().Err() != nil:
			return
		case errors.Is(err, errTooLong):
			status := http.StatusRequestHeaderFieldsTooLarge
			http.Error(w, http.StatusText(status), status)
			return
		case a.refuses(w, err):
			return
		case errors.Is(err, errMute) && a.died(r.Context()):
			return // the pool knows, and judges
		case errors.Is(err, errMute) && repeatable && attempt == 1:
			a.log.WarnContext(r.Context(), "a child of php-fpm ended during the request, which is tried again",
				"error", err.Error())
		default:
			a.log.ErrorContext(r.Context(), "the FastCGI server did not answer as it should",
				"address", a.client.address.String(), "error", err.Error())
			if c.status == 0 { // nothing was said yet
				http.Error(w, http.StatusText(http.StatusBadGateway), http.StatusBadGateway)
				return
			}
			panic(http.ErrAbortHandler)
		}
	}
}

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// refuses hands a request back that the server does not have, and says whether it did. A server of ours that can't be
// reached is at its end: the word waits for it, since until then the pool would ask this worker again.
func (a *adapter) refuses(w http.ResponseWriter, err error) bool {
	lost := errors.Is(err, errNoServer) && a.exited != nil
	if !lost && !errors.Is(err, errOverloaded) {
		return false
	}
	if lost {
		a.unasked.Add(1)
		defer a.unasked.Add(-1)
		select {
		case <-a.exited:
		case <-time.After(time.Second):
			a.give() // its socket is gone, perhaps: another one is started in its place
		}
	}
	return sdk.HandBack(w, err.Error())
}

// died says whether the server's process has ended, and not a child alone. Then it returns when the link has, so that
// nothing is said that a dead worker could not have said.
func (a *adapter) died(ctx context.Context) bool {
	if a.exited == nil {
		return false
	}
	select {
	case <-a.exited:
		<-ctx.Done()
		return true
	case <-time.After(deathGrace):
		return false
	}
}
