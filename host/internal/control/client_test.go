package control

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// It was let in by a host that was replaced before it had asked, which does nothing more.
func TestWhoeverAsksAHostThatWasReplacedAsksTheNextOne(t *testing.T) {
	var asked atomic.Int64
	hosts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < mostReplaced {
			refuse(w, http.StatusServiceUnavailable, errLeft)
			return
		}
		writeJSON(w, http.StatusOK, Version{PID: 4711})
	}))
	defer hosts.Close()
	c := NewRemoteClient(strings.TrimPrefix(hosts.URL, "http://"), "a token")
	if v, err := c.Version(context.Background()); err != nil || v.PID != 4711 {
		t.Errorf("%+v, %v", v, err)
	}
}
