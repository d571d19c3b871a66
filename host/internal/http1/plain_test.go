package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
)

func TestAPlainHeadIsTakenApart(t *testing.T) {
	text := "POST /a%20b?c=d HTTP/1.1\r\nHost: example.org:8080\r\nX-One:  1 \r\ncontent-length: 3\r\nX-One: 2\r\n" +
		"Empty:\r\nConnection: Close\r\n\r\nabc"
	var h Head
	if v := h.Parse([]byte(text)); v != Plain {
		t.Fatal(v)
	}
	if h.Method(text) != "POST" || h.Target(text) != "/a%20b?c=d" || h.Host(text) != "example.org:8080" ||
		h.Length != 3 || !h.Close || h.Size != len(text)-3 {
		t.Errorf("%+v", h)
	}
	var got []string
	for i := range h.Fields() {
		name, value := h.Field(text, i)
		got = append(got, name, value)
	}
	want := "X-One,1,content-length,3,X-One,2,Empty,,Connection,Close"
	if strings.Join(got, ",") != want {
		t.Errorf("%q", got)
	}
}

func TestAValueHasNoControlCharactersButTabs(t *testing.T) {
	for c := range 256 {
		want := Plain
		if c < ' ' && c != '\t' || c == 0x7f {
			want = Odd
		}
		for at := range 17 {
			for _, around := range []string{"a", "\x80", "\xff"} {
				value := strings.Repeat(around, at) + string([]byte{byte(c)}) + strings.Repeat(around, 16-at)
				head := "GET / HTTP/1.1\r\nHost: a\r\nX: " + value + "\r\n\r\n"
				if got := new(Head).Parse([]byte(head)); got != want {
					t.Errorf("%q: %d", head, got)
				}
			}
		}
	}
}

func TestOnlyWhatAllReadAlikeIsPlain(t *testing.T) {
	const host = "Host: a\r\n"
	for head, want := range map[string]Verdict{
		"GET / HTTP/1.1\r\n" + host:                                            Plain,
		"HEAD /x?y=z&%41 HTTP/1.1\r\nConnection: keep-alive\r\n" + host:        Plain,
		"GET / HTTP/1.0\r\n" + host:                                            Odd,
		"GET / HTTP/1.1\r\n":                                                   Odd, // no host
		"GET / HTTP/1.1\r\n" + host + host:                                     Odd,
		"GET / HTTP/1.1\r\nHost:\r\n":                                          Odd,
		"GET / HTTP/1.1\r\nHost: a b\r\n":                                      Odd,
		"GET  / HTTP/1.1\r\n" + host:                                           Odd,
		"GET / HTTP/1.1 \r\n" + host:                                           Odd,
		"get / HTTP/1.1\r\n" + host:                                            Odd,
		"CONNECT / HTTP/1.1\r\n" + host:                                        Odd,
		"PRI * HTTP/2.0\r\n":                                                   Odd,
		"OPTIONS * HTTP/1.1\r\n" + host:                                        Odd,
		"GET http://a/ HTTP/1.1\r\n" + host:                                    Odd,
		"GET /% HTTP/1.1\r\n" + host:                                           Odd,
		"GET /%4 HTTP/1.1\r\n" + host:                                          Odd,
		"GET /#a HTTP/1.1\r\n" + host:                                          Odd,
		"GET /\xc3\xa4 HTTP/1.1\r\n" + host:                                    Odd,
		"GET /a\tb HTTP/1.1\r\n" + host:                                        Odd,
		"GET / HTTP/1.1\n" + host:                                              Odd,
		"GET / HTTP/1.1\r\nHost: a\nX: y\r\n":                                  Odd,
		"GET / HTTP/1.1\r\nX: a\rb\r\n" + host:                                 Odd,
		"GET / HTTP/1.1\r\nX: a\x00b\r\n" + host:                               Odd,
		"GET / HTTP/1.1\r\nX: a\r\n b\r\n" + host:                              Odd,
		"GET / HTTP/1.1\r\nX : a\r\n" + host:                                   Odd,
		"GET / HTTP/1.1\r\n: a\r\n" + host:                                     Odd,
		"GET / HTTP/1.1\r\nX\r\n" + host:                                       Odd,
		"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + host:              Odd,
		"GET / HTTP/1.1\r\ntransfer-encoding: identity\r\n" + host:             Odd,
		"GET / HTTP/1.1\r\nUpgrade: websocket\r\n" + host:                      Odd,
		"GET / HTTP/1.1\r\nConnection: upgrade\r\n" + host:                     Odd,
		"GET / HTTP/1.1\r\nConnection: close\r\nConnection: close\r\n" + host:  Odd,
		"POST / HTTP/1.1\r\nExpect: 100-continue\r\n" + host:                   Odd,
		"POST / HTTP/1.1\r\nTrailer: X\r\n" + host:                             Odd,
		"GET / HTTP/1.1\r\nPragma: no-cache\r\n" + host:                        Odd,
		"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n" + host:                   Odd,
		"POST / HTTP/1.1\r\nContent-Length: +1\r\n" + host:                     Odd,
		"POST / HTTP/1.1\r\nContent-Length:\r\n" + host:                        Odd,
		"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n" + host: Odd,
		"\r\nGET / HTTP/1.1\r\n" + host:                                        Odd,
	} {
		var h Head
		if v := h.Parse([]byte(head + "\r\n")); v != want {
			t.Errorf("%q: %d, not %d", head, v, want)
		}
	}
	var h Head
	for _, b := range []string{"", "G", "GET ", "GET / HTTP/1.1\r\nHost: a\r\n"} {
		if v := h.Parse([]byte(b)); v != Partial {
			t.Errorf("%q: %d", b, v)
		}
	}
	many := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", MaxFields)
	if v := h.Parse([]byte(many + "\r\n")); v != Plain {
		t.Error("as many fields as there may be:", v)
	}
	if v := h.Parse([]byte(many + "X: y\r\n\r\n")); v != Odd {
		t.Error("one field more:", v)
	}
	if v := h.Parse([]byte("GET /" + strings.Repeat("a", MaxHead))); v != Odd {
		t.Error("a long head:", v)
	}
}

// What is plain means the same to net/http; and it costs no memory.
func FuzzPlainMeansTheSameToNetHTTP(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /a?b#c HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\nabc",
		"PUT //a/../b;c=%2f HTTP/1.1\r\nhost: [::1]\r\nX:\t1\t\r\nx: 2\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=\"d\"\r\nAccept: */*\r\nX-\xc3: y\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n",
		"DELETE /%zz HTTP/1.1\r\nHost: a\r\nTe: trailers\r\nRange: bytes=0-\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Head
		if h.Parse(b) != Plain {
			return
		}
		text := string(b[:h.Size])
		r, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(b), 64<<10))
		if err != nil {
			t.Fatalf("%q: net/http says %v", text, err)
		}
		if r.Method != h.Method(text) || r.RequestURI != h.Target(text) || r.Host != h.Host(text) ||
			r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.ContentLength != h.Length || r.Close != h.Close ||
			len(r.TransferEncoding) > 0 || r.URL.Host != "" || r.URL.Scheme != "" {
			t.Fatalf("%q: %+v", text, r)
		}
		fields := http.Header{}
		for i := range h.Fields() {
			name, value := h.Field(text, i)
			name = textproto.CanonicalMIMEHeaderKey(name)
			if canonical := h.Name(text, i); canonical != name {
				t.Fatalf("%q: a field is named %q, not %q", text, canonical, name)
			}
			fields[name] = append(fields[name], value)
		}
		if len(fields) != len(r.Header) {
			t.Fatalf("%q: %v and %v", text, fields, r.Header)
		}
		for name, values := range r.Header {
			if strings.Join(fields[name], "\x00") != strings.Join(values, "\x00") {
				t.Fatalf("%q: %s is %q and %q", text, name, fields[name], values)
			}
		}
		body, _ := io.ReadAll(r.Body)
		if n := min(h.Length, int64(len(b)-h.Size)); int64(len(body)) != n {
			t.Fatalf("%q: a body of %d bytes, not %d", text, len(body), n)
		}
	})
}

func TestAPlainHeadCostsNoMemory(t *testing.T) {
	b := []byte("GET /some/path?a=b HTTP/1.1\r\nHost: example.org\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n")
	var h Head
	if n := testing.AllocsPerRun(100, func() { h.Parse(b) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte("GET /some/path?a=b HTTP/1.1\r\nHost: example.org\r\nUser-Agent: Mozilla/5.0 " +
		"(X11; Linux x86_64)\r\nAccept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\n" +
		"Accept-Encoding: gzip, deflate, br\r\n\r\n")
	var h Head
	for b.Loop() {
		h.Parse(text)
	}
}
