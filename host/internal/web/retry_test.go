package web

import (
	"net/http"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func TestWhatMayBeTriedAgain(t *testing.T) {
	for _, test := range []struct {
		method, key   string
		policy        protocol.Retry
		safely, keyed bool
	}{
		{"GET", "", protocol.RetrySafe, true, false},
		{"HEAD", "", protocol.RetrySafe, true, false},
		{"OPTIONS", "", protocol.RetryKeyed, true, false},
		{"GET", "k", protocol.RetryKeyed, true, false},
		{"POST", "", protocol.RetrySafe, false, false},
		{"POST", "k", protocol.RetrySafe, false, false},
		{"POST", "", protocol.RetryKeyed, false, false},
		{"POST", "k", protocol.RetryKeyed, false, true},
		{"DELETE", "k", protocol.RetryKeyed, false, true},
		{"GET", "k", protocol.RetryNever, false, false},
		{"POST", "k", protocol.RetryNever, false, false},
	} {
		r := &http.Request{Method: test.method, Header: http.Header{}}
		if test.key != "" {
			r.Header.Set("Idempotency-Key", test.key)
		}
		v := &visit{r: r}
		if safely, keyed := v.repeatable(test.policy); safely != test.safely || keyed != test.keyed {
			t.Errorf("%+v: %v %v", test, safely, keyed)
		}
	}
}
