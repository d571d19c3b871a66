package listen

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// talk opens a request whose body is still to come, and gives its answer once that has begun.
func (h *house) talk(client *http.Client) (*http.Response, *io.PipeWriter) {
	h.t.Helper()
	r, w := io.Pipe()
	h.t.Cleanup(func() { w.Close() })
	resp, err := client.Post(h.url, "application/grpc", r)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { resp.Body.Close() })
	return resp, w
}

func TestAClientMayBeSilentOnceItsAnswerHasBegun(t *testing.T) {
	for _, version := range versions {
		h := start(t, func(c *call) {
			if c.request.Method == "PUT" { // whose client is silent before there is an answer
				c.readAll()
				return
			}
			c.respond(0, 200, nil, "begun")
			for {
				p, end := c.read()
				if c.cancelled() || !c.data(p, end) || end {
					return
				}
			}
		}, func(o *Options) {
			over(t, version)(nil, o)
			o.Limits.ReadTimeout = 200 * time.Millisecond
		})
		client := h.clientsFor()[version]
		resp, w := h.talk(client)
		var got [5]byte
		for _, text := range []string{"begun", "first", "later"} {
			if text != "begun" {
				io.WriteString(w, text)
			}
			if _, err := io.ReadFull(resp.Body, got[:]); string(got[:]) != text {
				t.Fatalf("%s: %q %v in place of %q", version, got, err, text)
			}
			silent, never := io.Pipe()
			req, err := http.NewRequest("PUT", h.url, silent)
			if err != nil {
				t.Fatal(err)
			}
			late, err := client.Do(req) // once read_timeout has passed
			if err != nil || late.StatusCode != 408 {
				t.Fatal(version, late, err)
			}
			late.Body.Close()
			never.Close()
		}
		w.Close()
		if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
			t.Errorf("%s: then %q %v", version, rest, err)
		}
	}
}

func TestAResponseOfGRPCThatBreaksOffEndsAsUnavailable(t *testing.T) {
	for _, how := range []protocol.FailureKind{protocol.FailedDied, protocol.FailedBroken, protocol.FailedTimeout,
		protocol.FailedDrained, protocol.FailedReset, protocol.FailedAborted} {
		for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
			h := start(t, func(c *call) {
				c.respond(0, 200, []string{"Content-Type", "application/grpc+proto"}, "begun")
				c.fail(how)
			})
			resp, _ := h.talk(h.clientsFor()[version])
			text, err := io.ReadAll(resp.Body)
			got, want := resp.Trailer.Get("Grpc-Status"), "14"
			if version == "HTTP/1.1" || how == protocol.FailedReset || how == protocol.FailedAborted {
				want = ""
			}
			if string(text) != "begun" || got != want || (err == nil) != (want != "") {
				t.Errorf("%s, %v: %q %v, status %q", version, how, text, err, got)
			}
		}
	}
}

func TestCallsOfGRPCGoBothWaysWhateverThePoolTakesWhole(t *testing.T) {
	for _, version := range versions {
		h := start(t, func(c *call) {
			if c.request.Flags&protocol.FlagEnd != 0 {
				t.Error("the worker got the call as a whole")
			}
			c.respond(0, 200, []string{"Content-Type", "application/grpc"}, "begun")
			p, end := c.read()
			c.data(p, false)
			for !end {
				_, end = c.read()
			}
			c.data(nil, true)
		}, func(o *Options) { over(t, version)(nil, o) })
		h.backend.traits.WholeBody = true
		resp, w := h.talk(h.clientsFor()[version])
		var got [5]byte
		for _, text := range []string{"begun", "first"} {
			if text != "begun" {
				io.WriteString(w, text)
			}
			if _, err := io.ReadFull(resp.Body, got[:]); string(got[:]) != text {
				t.Fatalf("%s: %q %v in place of %q", version, got, err, text)
			}
		}
		w.Close()
		if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
			t.Errorf("%s: then %q %v", version, rest, err)
		}
	}
}
