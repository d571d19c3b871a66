// The same handlers under net/http's server and under this SDK behind a small front: a client must see the same.

package sdk

import (
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/workerhost/workerhost/protocol"
)

// front is the least HTTP front that a host can have: whole request bodies, one request at a time.
type front struct{ h *fakeHost }

func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m := protocol.Request{Method: r.Method, Target: r.RequestURI, Version: strings.TrimPrefix(r.Proto, "HTTP/"),
		Host: r.Host, Remote: r.RemoteAddr, Length: r.ContentLength}
	for name, values := range r.Header {
		for _, value := range values {
			m.Headers = append(m.Headers, name, value)
		}
	}
	if len(r.Trailer) > 0 {
		m.Headers = append(m.Headers, "Trailer", strings.Join(slices.Collect(maps.Keys(r.Trailer)), ","))
	} else {
		m.Flags = protocol.FlagEnd
	}
	m.Body = body
	c := f.h.open(m)
	if len(r.Trailer) > 0 {
		end := &protocol.Data{Stream: c.id, Flags: protocol.FlagEnd}
		for name := range r.Trailer {
			end.Trailers = append(end.Trailers, name, r.Trailer.Get(name))
		}
		f.h.send(end)
	}
	for {
		switch m := c.take().(type) {
		case *protocol.Inform:
			addPairs(w.Header(), m.Headers)
			w.WriteHeader(m.Status)
			clear(w.Header())
		case *protocol.Response:
			if err := m.Check(); err != nil {
				f.h.t.Error(err)
			}
			w.Header()["Content-Type"] = nil // no sniffing here: it is the SDK's to do
			addPairs(w.Header(), m.Headers)
			w.WriteHeader(m.Status)
			w.Write(m.Body)
			if m.Flags == 0 {
				w.(http.Flusher).Flush()
			} else {
				return
			}
		case *protocol.Data:
			w.Write(m.Bytes)
			f.h.send(&protocol.Window{Stream: c.id, Bytes: max(1, len(m.Bytes))})
			if m.Flags == last {
				for i := 0; i < len(m.Trailers); i += 2 {
					w.Header().Add(http.TrailerPrefix+m.Trailers[i], m.Trailers[i+1])
				}
				return
			}
		default:
			panic(http.ErrAbortHandler)
		}
	}
}

func addPairs(h http.Header, pairs []string) {
	for i := 0; i < len(pairs); i += 2 {
		if have, ok := h[pairs[i]]; ok && have == nil {
			delete(h, pairs[i])
		}
		h.Add(pairs[i], pairs[i+1])
	}
}

// seen is what a client sees of a response.
type seen struct {
	Err     bool
	Status  int
	Header  http.Header
	Length  int64
	Body    string
	Broken  bool
	Trailer http.Header
	Early   []string
}

func look(t *testing.T, url, method, body string) seen {
	var s seen
	r, err := http.NewRequest(method, url+"/path?x=1", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "chunked" {
		r.ContentLength = -1
		r.Trailer = http.Header{"X-Check": {"sum"}}
	}
	r.Header.Set("User-Agent", "test")
	r = r.WithContext(httptrace.WithClientTrace(r.Context(),
		&httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			s.Early = append(s.Early, fmt.Sprint(code, h))
			return nil
		}}))
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return seen{Err: true}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	res.Header.Del("Date")
	s.Status, s.Header, s.Length, s.Body, s.Broken, s.Trailer = res.StatusCode, res.Header, res.ContentLength,
		string(b), err != nil, res.Trailer
	return s
}

func TestHandlersBehaveAsUnderNetHTTP(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		host, _, _ := strings.Cut(r.Host, ":")
		fmt.Fprintln(w, r.Method, r.URL, r.RequestURI, r.Proto, host, r.ContentLength, r.TransferEncoding,
			len(r.Header), r.UserAgent(), r.TLS == nil, string(b), err, r.Trailer, r.FormValue("x"))
	}
	for _, c := range []struct {
		name    string
		method  string
		body    string
		handler http.HandlerFunc
	}{
		{"nothing", "GET", "", func(http.ResponseWriter, *http.Request) {}},
		{"echo", "GET", "", echo},
		{"echo of a body", "POST", "content", echo},
		{"echo of a chunked body with a trailer", "POST", "chunked", echo},
		{"status alone", "GET", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }},
		{"error", "GET", "", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 403) }},
		{"redirect", "GET", "", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "elsewhere", 302)
		}},
		{"sniffed", "GET", "", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }},
		{"sniffed over two writes", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "<ht")
			io.WriteString(w, "ml>")
		}},
		{"sniffing turned off", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "<html>")
		}},
		{"no sniffing of what is encoded", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "x")
			io.WriteString(w, "<html>")
		}},
		{"header after the first write", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("A", "1")
			io.WriteString(w, "x")
			w.Header().Set("A", "2")
			w.Header().Set("B", "2")
		}},
		{"second status", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(201)
			w.WriteHeader(500)
		}},
		{"repeated header", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		}},
		{"line break in a header", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("A", "1\r\nB: 2")
		}},
		{"bad header name", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["a b"] = []string{"1"}
		}},
		{"bad length", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "ten")
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}},
		{"length", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			io.WriteString(w, "abc")
		}},
		{"too long", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			_, err := io.WriteString(w, "abcd")
			io.WriteString(w, fmt.Sprint(err)[:3])
		}},
		{"too short", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			io.WriteString(w, "ab")
		}},
		{"HEAD", "HEAD", "", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }},
		{"HEAD with a length", "HEAD", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
		}},
		{"HEAD, flushed", "HEAD", "", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "<html>")
			w.(http.Flusher).Flush()
			io.WriteString(w, "more")
		}},
		{"HEAD without a write", "HEAD", "", func(w http.ResponseWriter, _ *http.Request) {}},
		{"204", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			w.WriteHeader(204)
			if _, err := io.WriteString(w, "abc"); err != http.ErrBodyNotAllowed {
				panic(err)
			}
		}},
		{"304", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		}},
		{"early hints", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(103)
			w.WriteHeader(103)
			w.WriteHeader(200)
			io.WriteString(w, "x")
		}},
		{"flushed", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "a")
			http.NewResponseController(w).Flush()
			io.WriteString(w, "b")
		}},
		{"flushed before any write", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, "b")
		}},
		{"large", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				w.Write([]byte(strings.Repeat("0123456789", 1001)))
			}
		}},
		{"copied", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			if n, err := io.Copy(w, io.LimitReader(neverEnding('x'), 500_001)); n != 500_001 || err != nil {
				panic(err)
			}
		}},
		{"announced trailer", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum, X-Unset, Content-Length")
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			w.Header().Set("X-Sum", "1")
		}},
		{"prefixed trailer", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
		}},
		{"aborted after the head", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
		{"aborted before the head", "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			panic(http.ErrAbortHandler)
		}},
		{"ServeContent with a range", "GET", "", func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Range", "bytes=2-4")
			http.ServeFileFS(w, r, testFS, "a.txt")
		}},
		{"ServeMux", "GET", "", func(w http.ResponseWriter, r *http.Request) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /{name}", func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, r.PathValue("name"))
			})
			mux.ServeHTTP(w, r)
		}},
		{"TimeoutHandler", "GET", "", http.TimeoutHandler(
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
			}), 1, "late").ServeHTTP},
		{"MaxBytesReader", "POST", "too long", func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 3))
			w.Header().Set("Connection", "close")
			fmt.Fprint(w, err)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			quiet := httptest.NewUnstartedServer(c.handler)
			quiet.Config.ErrorLog = discard
			quiet.Start()
			defer quiet.Close()
			behind := httptest.NewServer(front{newHost(t, c.handler)})
			behind.Config.ErrorLog = discard
			defer behind.Close()
			want, got := look(t, quiet.URL, c.method, c.body), look(t, behind.URL, c.method, c.body)
			for _, s := range []*seen{&want, &got} { // the front's and the connection's affairs
				s.Header.Del("Connection")
			}
			if c.name == "TimeoutHandler" || want.Length < 0 && got.Length < 0 {
				want.Length = got.Length
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("\nhere     %+v\nnet/http %+v", clipped(got), clipped(want))
			}
		})
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func clipped(s seen) seen {
	s.Body = s.Body[:min(len(s.Body), 300)]
	return s
}

var (
	discard = log.New(io.Discard, "", 0)
	testFS  = fstest.MapFS{"a.txt": {Data: []byte("0123456789")}}
)

// neverEnding is a reader of one byte over and over.
type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}
