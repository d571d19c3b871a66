package sdk

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// freeAddress is one of this machine that nobody listens on.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// alone is a server by itself that listens. end is its signal, and gone gets what it returns.
func alone(t *testing.T, handler http.HandlerFunc, grace time.Duration, opts ...Option) (at string, end func(),
	gone <-chan error) {
	t.Helper()
	listening := make(chan struct{})
	tick := Every(time.Millisecond, func(context.Context) {
		select {
		case <-listening:
		default:
			close(listening)
		}
	})
	o := options{}
	for _, opt := range append(opts, tick) {
		opt(&o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	at, returned := freeAddress(t), make(chan error, 1)
	go func() { returned <- o.listenAndServe(ctx, at, handler, grace) }()
	select {
	case <-listening:
	case err := <-returned:
		t.Fatal(err)
	}
	return "http://" + at + "/", cancel, returned
}

// ask gives the body that a client of its own gets, or the error.
func ask(url string, protocols *http.Protocols) (string, error) {
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

func TestAServerByItselfSpeaksHTTP1AndHTTP2InCleartext(t *testing.T) {
	at, end, gone := alone(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }, time.Minute)
	h2c := new(http.Protocols)
	h2c.SetUnencryptedHTTP2(true)
	for want, protocols := range map[string]*http.Protocols{"HTTP/1.1": nil, "HTTP/2.0": h2c} {
		if got, err := ask(at, protocols); got != want || err != nil {
			t.Errorf("%s: %q, %v", want, got, err)
		}
	}
	end()
	if err := <-gone; err != nil {
		t.Error(err)
	}
}

func TestAServerByItselfFinishesWhatHasBegunAndThenRunsItsHooks(t *testing.T) {
	began, draining, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var order []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, what)
	}
	at, end, gone := alone(t, func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-release
		note("request")
		hello(w, r)
	}, time.Minute, OnStart(func(context.Context) error { note("start"); return nil }),
		OnDrain(func() { note("drain"); close(draining) }), OnStop(func() { note("stop") }))
	answered := make(chan string, 1)
	go func() {
		got, err := ask(at, nil)
		if err != nil {
			got = err.Error()
		}
		answered <- got
	}()
	<-began
	end()
	<-draining
	for { // until it no longer listens
		c, err := net.Dial("tcp", strings.Trim(at, "htp:/"))
		if err != nil {
			break
		}
		c.Close()
	}
	close(release)
	if got := <-answered; got != "Hello, World!" {
		t.Errorf("the request that had begun got %q", got)
	}
	if err := <-gone; err != nil {
		t.Error(err)
	}
	if want := []string{"start", "drain", "request", "stop"}; !slices.Equal(order, want) {
		t.Errorf("the order was %q", order)
	}
}

func TestAServerByItselfCancelsWhatTakesTooLongToEnd(t *testing.T) {
	began, cause := make(chan struct{}), make(chan error, 1)
	at, end, gone := alone(t, func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
		hello(w, r)
	}, time.Millisecond)
	answered := make(chan error, 1)
	go func() {
		_, err := ask(at, nil)
		answered <- err
	}()
	<-began
	end()
	if err := <-cause; err != ErrDrained {
		t.Errorf("the cause was %v", err)
	}
	if err := <-answered; err != nil {
		t.Errorf("a handler that noticed could not answer: %v", err)
	}
	if err := <-gone; err != nil {
		t.Error(err)
	}
}

func TestAServerByItselfThatDoesNotStartSaysWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	called, cancel := context.WithCancel(t.Context())
	for _, c := range []struct {
		hook func(context.Context) error
		want string
	}{
		{func(context.Context) error { return errors.New("no database") }, "did not start: no database"},
		{func(context.Context) error { return nil }, "sdk: listen tcp"},
		{func(ctx context.Context) error { cancel(); return ctx.Err() }, ""},
	} {
		o := options{start: []func(context.Context) error{c.hook}, stop: []func(){func() { t.Error("OnStop ran") }}}
		err := o.listenAndServe(called, taken.Addr().String(), nil, time.Minute)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
