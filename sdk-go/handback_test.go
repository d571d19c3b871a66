package sdk

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func TestARequestThatIsHandedBackIsRefused(t *testing.T) {
	done := make(chan bool, 10)
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/early":
			w.Header().Set("X-A", "b")
			done <- HandBack(w, "not mine")
			io.WriteString(w, "goes nowhere")
		case "/late":
			io.WriteString(w, "begun")
			done <- HandBack(w, "too late")
		}
	})
	c := h.open(protocol.Request{Target: "/early"})
	c.expectReset(protocol.ResetRefused)
	if !<-done {
		t.Error("it says that it did not")
	}
	if m := h.open(protocol.Request{Target: "/late"}).whole(); string(m.Body) != "begun" || <-done {
		t.Errorf("a response that had begun: %q", m.Body)
	}
	if HandBack(nil, "") {
		t.Error("another server's request was handed back")
	}
}

func TestTheAddressThatTheClientCameToIsWhereNetHTTPHasIt(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
			io.WriteString(w, at.String())
		}
	}, WithName("another/2"))
	if h.ready.SDK != "another/2" || !h.ready.Has("local") {
		t.Errorf("READY is %+v", h.ready)
	}
	for _, local := range []string{"192.0.2.1:80", "[2001:db8::1]:443", ""} {
		if m := h.open(protocol.Request{Local: local}).whole(); string(m.Body) != local {
			t.Errorf("%q became %q", local, m.Body)
		}
	}
}
