// streams.go is what clients saw of answers that somebody else makes, token by token, while a pool of few workers
// passes them on: streams_linux.go measures it, for the host, which fetches them, and for a server whose workers wait.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	streamTokens = 200
	tokenPause   = 100 * time.Millisecond
	streamRamp   = 10 * time.Second // in which all streams begin
	streamGrace  = 10 * time.Second // after which what has not come counts as late
	askedRate    = 300              // ordinary requests a second beside them
	fpmChildren  = 50
	chatPath     = "/chat"
)

// streamed is what came of one round of streams.
type streamed struct {
	Server   string  `json:"server"`
	Clients  int     `json:"clients"`
	Begun    int     `json:"begun"` // that got a token in time
	Whole    int     `json:"whole"`
	FirstP50 float64 `json:"first_token_p50_us"` // of those that have begun
	FirstP99 float64 `json:"first_token_p99_us"`
	Memory   int64   `json:"memory_bytes"` // of the host's process alone, for each stream
	CPU      float64 `json:"cpu_us"`       // of all processes, for each token
	Reloads  int     `json:"reloads"`
	Asked    int     `json:"requests"`
	Failed   int     `json:"requests_failed"`
	AskedP50 float64 `json:"request_p50_us"`
	AskedP99 float64 `json:"request_p99_us"`
}

// languageModel as first argument makes this program what answers with a stream, on the address in the second one.
const languageModel = "language-model"

// beModel returns only with an error.
func beModel(address string) error {
	event, err := json.Marshal(map[string]any{"choices": []any{map[string]any{"delta": map[string]string{
		"content": " token"}}}})
	if err != nil {
		return err
	}
	event = append(append([]byte("data: "), event...), "\n\n"...)
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, greeting)
			return
		}
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		flush := http.NewResponseController(w).Flush
		next := time.NewTicker(tokenPause)
		defer next.Stop()
		for range streamTokens {
			if w.Write(event); flush() != nil {
				return
			}
			select {
			case <-next.C:
			case <-r.Context().Done():
				return
			}
		}
		io.WriteString(w, "data: [DONE]\n\n")
	}))
}

// printStreams prints a row for each.
func printStreams(w io.Writer, all []streamed) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "streams of %d tokens in %s, all begun within %s; %d ordinary requests a second beside them\n\n",
		streamTokens, streamTokens*tokenPause, streamRamp, askedRate)
	fmt.Fprintf(w, "%-34s %-20s %-20s %9s %10s %7s %s\n", "", "streams", "first token", "KiB each", "CPU µs per",
		"reloads", "ordinary requests")
	fmt.Fprintf(w, "%-34s %6s %6s %6s %9s %10s %9s %10s %7s %8s %8s %9s %9s\n", "", "asked", "begun", "whole", "p50",
		"p99", "in it", "token", "", "", "failed", "p50", "p99")
	for _, s := range all {
		fmt.Fprintf(w, "%-34s %6d %6d %6d %9s %10s %9.1f %10.1f %7d %8d %8d %9s %9s\n", s.Server, s.Clients, s.Begun,
			s.Whole, duration(s.FirstP50), duration(s.FirstP99), float64(s.Memory)/1024, s.CPU, s.Reloads, s.Asked,
			s.Failed, duration(s.AskedP50), duration(s.AskedP99))
	}
	fmt.Fprintln(w)
}
