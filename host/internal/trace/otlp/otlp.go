// Package otlp sends spans to a collector: OTLP over HTTP, in protobuf. It keeps no span and tries nothing twice; that
// is package trace's.
//
// otlp.go is the exchange with the collector, encode.go what is sent.
package otlp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/workerhost/workerhost/host/internal/trace"
)

// Settings say where spans go, and whose they are.
type Settings struct {
	URL        string            // of the collector's traces: "http://127.0.0.1:4318/v1/traces"
	Headers    map[string]string // of each request, such as what authorizes it
	Timeout    time.Duration     // of one request
	Attributes map[string]string // of all spans, such as service.name
	Version    string            // of this host
}

// Exporter implements [trace.Exporter].
type Exporter struct {
	settings Settings
	client   *http.Client
	resource []byte // in protobuf
	body     []byte // of the last request, for the next one
}

// New makes one, which connects when it has something to send.
func New(s Settings) *Exporter {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.IdleConnTimeout = 1, 30*time.Second
	return &Exporter{settings: s, resource: resource(s), client: &http.Client{Transport: transport, Timeout: s.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// mostAnswer is how much of a collector's answer is read.
const mostAnswer = 64 << 10

// Export implements trace.Exporter.
func (e *Exporter) Export(ctx context.Context, batch []*trace.Record) (unwanted int, err error) {
	body := e.appendRequest(e.body[:0], batch)
	if e.body = body; cap(body) > 1<<20 {
		e.body = nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.settings.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name, value := range e.settings.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("User-Agent", "workerhost/"+e.settings.Version)
	answer, err := e.client.Do(r)
	if err != nil && ctx.Err() == nil { // names and networks come back, too
		return 0, &trace.Delay{Err: err}
	}
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
	switch {
	case answer.StatusCode/100 != 2:
	case err == nil && answer.Header.Get("Content-Type") == "application/x-protobuf":
		return rejected(text), nil
	default: // it has come, whatever the answer would have said
		return 0, nil
	}
	err = fmt.Errorf("%s answers %s", r.URL.Redacted(), answer.Status)
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout:
		return 0, &trace.Delay{After: retryAfter(answer.Header.Get("Retry-After")), Err: err}
	}
	return 0, err
}

func retryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 3600)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// Close implements trace.Exporter.
func (e *Exporter) Close() { e.client.CloseIdleConnections() }
