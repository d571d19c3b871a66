// dial.go: the client that makes the requests.

package fetch

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/workerhost/workerhost/host/internal/fetch/reach"
)

const (
	dialTimeout  = 10 * time.Second
	idleTimeout  = 90 * time.Second // of kept connections
	keptPerHost  = 256
	mostHeader   = 64 << 10 // of an answer
	shakeTimeout = 10 * time.Second
)

// newTransport makes a client that dials public addresses, those in networks, and those that a URL names itself.
func newTransport(networks []netip.Prefix) *http.Transport {
	return &http.Transport{
		DialContext:       reach.Dialer(networks, dialTimeout),
		ForceAttemptHTTP2: true, DisableCompression: true, TLSHandshakeTimeout: shakeTimeout,
		MaxIdleConns: 0, MaxIdleConnsPerHost: keptPerHost, IdleConnTimeout: idleTimeout,
		ReadBufferSize: 2 << 10, WriteBufferSize: 2 << 10, // most connections wait
		MaxResponseHeaderBytes: mostHeader, ExpectContinueTimeout: time.Second,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: window}, // 4 MiB else, whatever the client takes
	}
}
