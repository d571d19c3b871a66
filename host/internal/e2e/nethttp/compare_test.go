package nethttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

const (
	get     = "GET /path?x=1 HTTP/1.1\r\nHost: example.org\r\n\r\n"
	head1   = "HEAD /path?x=1 HTTP/1.1\r\nHost: example.org\r\n\r\n"
	post    = "POST /path?x=1 HTTP/1.1\r\nHost: example.org\r\nContent-Length: 7\r\n\r\ncontent"
	chunked = "POST /path?x=1 HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n" +
		"Trailer: X-Check\r\n\r\n7\r\ncontent\r\n0\r\nX-Check: sum\r\n\r\n"
	// part of an upload that goes on only once the answer has come
	upload = "POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 1000000\r\n\r\nthe first bytes"
)

// question is a handler and a request to it.
type question struct {
	name    string
	request string
	differs string // by which of the differences; "" is by none
	handler http.HandlerFunc
}

type fields = http.Header

func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	_, _, atPort := net.SplitHostPort(r.RemoteAddr)
	fmt.Fprintln(w, r.Method, r.URL, r.RequestURI, r.Proto, r.Host, r.ContentLength, r.TransferEncoding, r.Header,
		r.TLS == nil, string(b), err, r.Trailer, r.FormValue("x"), atPort, local != nil, r.Close)
}

func writes(texts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, text := range texts {
			if text == "FLUSH" {
				w.(http.Flusher).Flush()
			} else {
				io.WriteString(w, text)
			}
		}
	}
}

// with sets fields before it goes on as writes.
func with(h fields, texts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for name, values := range h {
			w.Header()[name] = values
		}
		writes(texts...)(w, r)
	}
}

var questions = []question{
	{"nothing", get, "", writes()},
	{"echo", get, "", echo},
	{"echo of a body", post, "", echo},
	{"echo of a chunked body with a trailer", chunked, "End of the connection", echo},
	{"trailer of a copied request", chunked, "End of the connection", func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), http.NoBody, 1))
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.Trailer)
	}},
	{"trailer before its body", chunked, "End of the connection", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Trailer)
		io.Copy(io.Discard, r.Body)
	}},
	{"fields with all sorts of names", "GET / HTTP/1.1\r\nHost: a\r\nx-lower: 1\r\nX-Two: a\r\nX-two: b\r\n" +
		"Accept-Encoding: br\r\nCookie: a=1; b=2\r\n\r\n", "", echo},
	{"status alone", get, "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }},
	{"error", get, "", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 403) }},
	{"redirect", get, "", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "elsewhere", 302)
	}},
	{"sniffed", get, "", writes("<html>")},
	{"sniffed over two writes", get, "", writes("<ht", "ml>")},
	{"sniffing turned off", get, "", with(fields{"Content-Type": nil}, "<html>")},
	{"no sniffing of what is encoded", get, "", with(fields{"Content-Encoding": {"x"}}, "<html>")},
	{"field after the first write", get, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("A", "1")
		io.WriteString(w, "x")
		w.Header().Set("A", "2")
		w.Header().Set("B", "2")
	}},
	{"second status", get, "", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(500)
	}},
	{"cookies", get, "", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
	}},
	{"line break in a field", get, "", with(fields{"A": {"1\r\nB: 2"}})},
	{"bad name of a field", get, "", with(fields{"a b": {"1"}})},
	{"field without a value", get, "", with(fields{"A": {""}, "B": {}})},
	{"names in lower case", get, "", with(fields{"x-lower": {"1"}, "X-UPPER": {"2"}, "etag": {`"1"`},
		"vary": {"Accept"}, "cache-control": {"no-store"}, "set-cookie": {"a=1"}, "last-modified": {"never"}}, "x")},
	{"content-type in lower case", get, "Names of fields", with(fields{"content-type": {"text/x"}}, "x")},
	{"a date of its own", get, "", with(fields{"Date": {"then"}}, "x")},
	{"no date", get, "", with(fields{"Date": nil}, "x")},
	{"Connection: close", get, "End of the connection", with(fields{"Connection": {"close"}}, "x")},
	{"bad length", get, "Framing", with(fields{"Content-Length": {"ten"}}, "x", "FLUSH")},
	{"length", get, "", with(fields{"Content-Length": {"3"}}, "abc")},
	{"length, flushed", get, "", with(fields{"Content-Length": {"3"}}, "a", "FLUSH", "bc")},
	{"too long", get, "Broken responses", with(fields{"Content-Length": {"3"}}, "ab", "cd", "e")},
	{"too long at once", get, "Broken responses", with(fields{"Content-Length": {"3"}}, "abcd")},
	{"too long, flushed", get, "", with(fields{"Content-Length": {"3"}}, "abc", "FLUSH", "d")},
	{"too short", get, "Broken responses", with(fields{"Content-Length": {"3"}}, "ab")},
	{"too short, flushed", get, "Broken responses", with(fields{"Content-Length": {"3"}}, "ab", "FLUSH")},
	{"too short, nothing", get, "Broken responses", with(fields{"Content-Length": {"3"}})},
	{"HEAD", head1, "", writes("<html>")},
	{"HEAD with a length", head1, "", with(fields{"Content-Length": {"1000"}})},
	{"HEAD, flushed", head1, "Framing", writes("<html>", "FLUSH", "more")},
	{"HEAD without a write", head1, "", writes()},
	{"204", get, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		w.WriteHeader(204)
		if _, err := io.WriteString(w, "abc"); err != http.ErrBodyNotAllowed {
			panic(err)
		}
	}},
	{"304", get, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Etag", `"x"`)
		w.WriteHeader(304)
	}},
	{"early hints", get, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(103)
		w.WriteHeader(103)
		w.WriteHeader(200)
		io.WriteString(w, "x")
	}},
	{"flushed", get, "Framing", writes("a", "FLUSH", "b")},
	{"flushed before any write", get, "Framing", writes("FLUSH", "b")},
	{"2 KiB", get, "", writes(strings.Repeat("x", 2048))},
	{"3 KiB", get, "Framing", writes(strings.Repeat("x", 3000))},
	{"large", get, "", func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			io.WriteString(w, strings.Repeat("0123456789", 1001))
		}
	}},
	{"copied", get, "", func(w http.ResponseWriter, _ *http.Request) {
		if n, err := io.Copy(w, io.LimitReader(neverEnding('x'), 500_001)); n != 500_001 || err != nil {
			panic(err)
		}
	}},
	{"announced trailer", get, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum, X-Unset")
		io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "1")
	}},
	{"announced trailer, not flushed", get, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "x")
		w.Header().Set("X-Sum", "1")
	}},
	{"announced trailers in two fields", get, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Trailer", "X-Sum")
		w.Header().Add("Trailer", "x-other")
		io.WriteString(w, "x")
		w.Header().Set("X-Sum", "1")
		w.Header().Set("X-Other", "2")
	}},
	{"prefixed trailer", get, "", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	}},
	{"aborted after the head", get, "Broken responses", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}},
	{"aborted before the head", get, "Broken responses", func(w http.ResponseWriter, _ *http.Request) {
		panic(http.ErrAbortHandler)
	}},
	{"aborted after a write", get, "Broken responses", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "x")
		panic(http.ErrAbortHandler)
	}},
	{"panic", get, "Panics", func(w http.ResponseWriter, _ *http.Request) { panic("no") }},
	{"panic after a write", get, "Panics", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "x")
		panic("no")
	}},
	{"panic after a flush", get, "Broken responses", func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		panic("no")
	}},
	{"ServeContent with a range", "GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\n\r\n", "",
		http.FileServerFS(fstest.MapFS{"index.html": {Data: []byte("0123456789")}}).ServeHTTP},
	{"ServeMux", get, "", func(w http.ResponseWriter, r *http.Request) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /{name}", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.PathValue("name"))
		})
		mux.ServeHTTP(w, r)
	}},
	{"TimeoutHandler", get, "", http.TimeoutHandler(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), 1, "late").ServeHTTP},
	{"MaxBytesReader", post, "End of the connection", func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 3))
		fmt.Fprint(w, err)
	}},
	{"answer to an upload that is not over", upload, "", writes("no")},
	{"answer to an upload that is not over, flushed", upload, "Framing", writes("no", "FLUSH")},
	{"error to an upload that is not over", upload, "", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "too large", 413)
	}},
	{"read deadline", upload, "", func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			panic(err)
		}
		_, err := io.ReadAll(r.Body)
		fmt.Fprint(w, errors.Is(err, os.ErrDeadlineExceeded))
	}},
	{"what a ResponseWriter is", get, "", func(w http.ResponseWriter, r *http.Request) {
		_, closes := w.(interface{ CloseNotify() <-chan bool })
		_, flushes := w.(http.Flusher)
		_, reads := w.(io.ReaderFrom)
		_, strings := w.(io.StringWriter)
		c := http.NewResponseController(w)
		fmt.Fprint(w, closes, flushes, reads, strings, c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{}),
			c.EnableFullDuplex())
	}},
	{"101", get, "Hijack", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101) }},
	{"the server in the context", get, "ServerContextKey", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Context().Value(http.ServerContextKey) != nil)
	}},
}

func TestAHandlerBehindTheHostIsToItsClientsWhatItIsUnderNetHTTP(t *testing.T) {
	leaked(t)
	table, err := os.ReadFile("../../../../sdk-go/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range Differences {
		if !strings.Contains(string(table), "\n| "+name+" |") {
			t.Errorf("the table of sdk-go/README.md has no row %q", name)
		}
	}
	for _, q := range questions {
		rest := ""
		if q.request == upload {
			rest = strings.Repeat("x", 1000)
		}
		t.Run(q.name, func(t *testing.T) {
			Compare(t, func() http.Handler { return q.handler }, Question{"", q.request, rest, q.differs})
		})
	}
}

// neverEnding is a reader of one byte over and over.
type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}
