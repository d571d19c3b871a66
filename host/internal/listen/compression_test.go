package listen

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/compress"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

func compressing(o *Options) {
	o.Compression = compress.New(compress.Settings{Codings: []compress.Coding{compress.Zstd, compress.Gzip,
		compress.Brotli}, GzipLevel: 5, BrotliLevel: 3, ZstdLevel: 1, MinSize: 1024,
		Types: []string{"text/*", "application/json"}})
}

// inflated reads a body in a coding.
func inflated(t *testing.T, coding string, from io.Reader) io.Reader {
	t.Helper()
	switch coding {
	case "gzip":
		r, err := gzip.NewReader(from)
		if err != nil {
			t.Fatal(err)
		}
		return r
	case "zstd":
		r, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return r
	case "br":
		return brotli.NewReader(from)
	}
	return from
}

func inflate(t *testing.T, coding, body string) string {
	t.Helper()
	b, err := io.ReadAll(inflated(t, coding, strings.NewReader(body)))
	if err != nil {
		t.Fatalf("%s: %v", coding, err)
	}
	return string(b)
}

// page is a text of so many bytes.
func page(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "<li>%d of the things that are on this page, %d</li>\n", i, i*i)
	}
	return b.String()[:n]
}

// fromEach has a test's requests answered in each way that there is: on the lane, by net/http, and over HTTP/2.
func fromEach(t *testing.T, work func(c *call), change func(*Options), test func(t *testing.T, h *house)) {
	lane := func(o *Options) {}
	for name, o := range map[string]func(*Options){"lane": lane, "net/http": func(o *Options) { o.Loops = nil },
		"TLS": withTLS(t)} {
		t.Run(name, func(t *testing.T) {
			h := start(t, work, compressing, o, change)
			for _, client := range h.clientsFor() {
				h.client = client
				test(t, h)
			}
		})
	}
}

const codings = "gzip, deflate, br, zstd"

func TestAnswersAreCompressedAsTheClientLikes(t *testing.T) {
	const n = 20_000
	body := page(n)
	type want struct {
		coding, etag string // "" is as it came
		vary         string
		length       bool // has to be known
	}
	const plain, json = "Content-Type: text/html; charset=utf-8", "Content-Type: application/json"
	tests := []struct {
		method, accept, headers string
		status, size            int
		streamed                bool
		want                    want
	}{
		{"GET", codings, plain, 200, n, false, want{"zstd", "", "Accept-Encoding", true}},
		{"GET", "gzip, br", plain, 200, n, false, want{"gzip", "", "Accept-Encoding", true}},
		{"GET", "br;q=1, gzip;q=0.1", json, 200, n, false, want{"br", "", "Accept-Encoding", true}},
		{"GET", "", plain, 200, n, false, want{"", "", "Accept-Encoding", true}},
		{"GET", "deflate", plain, 200, n, false, want{"", "", "Accept-Encoding", true}},
		{"GET", "gzip;q=0", plain, 200, n, false, want{"", "", "Accept-Encoding", true}},
		{"GET", "identity, gzip;q=0.5", plain, 200, n, false, want{"", "", "Accept-Encoding", true}},
		{"POST", "gzip", plain, 404, n, false, want{"gzip", "", "Accept-Encoding", true}},
		{"GET", "gzip", plain, 200, 1023, false, want{"", "", "", true}},
		{"GET", "gzip", plain, 200, 1024, false, want{"gzip", "", "Accept-Encoding", true}},
		{"GET", "gzip", plain + "|Content-Length: 20000", 200, n, false, want{"gzip", "", "Accept-Encoding", true}},
		{"GET", "gzip", "", 200, n, false, want{"", "", "", true}},
		{"GET", "gzip", "Content-Type: image/png", 200, n, false, want{"", "", "", true}},
		{"GET", "gzip", plain + "|Content-Encoding: own", 200, n, false, want{"own", "", "", true}},
		{"GET", "gzip", plain + "|Cache-Control: private, no-transform", 200, n, false, want{"", "", "", true}},
		{"GET", "gzip", plain + "|Content-Range: bytes 0-19999/50000", 206, n, false, want{"", "", "", true}},
		{"GET", "gzip", plain + "|Content-Digest: sha-256=:AA==:", 200, n, false, want{"", "", "", true}},
		{"GET", "gzip", plain + "|ETag: \"a\"", 200, n, false, want{"gzip", `W/"a"`, "Accept-Encoding", true}},
		{"GET", "gzip", plain + "|etag: W/\"a\"", 200, n, false, want{"gzip", `W/"a"`, "Accept-Encoding", true}},
		{"GET", "", plain + "|ETag: \"a\"", 200, n, false, want{"", `"a"`, "Accept-Encoding", true}},
		{"GET", "gzip", plain + "|Vary: Cookie", 200, n, false, want{"gzip", "", "Cookie, Accept-Encoding", true}},
		{"GET", "gzip", plain + "|vary: Cookie|Vary: Accept-encoding", 200, n, false,
			want{"gzip", "", "Cookie|Accept-encoding", true}},
		{"GET", "gzip", plain + "|Vary: *", 200, n, false, want{"gzip", "", "*", true}},
		{"GET", "gzip", plain + "|Accept-Ranges: bytes", 200, n, false, want{"gzip", "", "Accept-Encoding", true}},
		{"HEAD", "gzip", plain + "|ETag: \"a\"|Content-Length: 20000", 200, 0, false,
			want{"gzip", `W/"a"`, "Accept-Encoding", false}},
		{"HEAD", "gzip", plain, 200, 0, false, want{"gzip", "", "Accept-Encoding", false}},
		{"HEAD", "gzip", plain, 200, 500, false, want{"", "", "", true}},
		{"HEAD", "", plain + "|Content-Length: 20000", 200, 0, false, want{"", "", "Accept-Encoding", true}},
		{"GET", "gzip", plain + "|ETag: \"a\"", 304, 0, false, want{"", `"a"`, "", false}},
		{"GET", "gzip", plain, 204, 0, false, want{"", "", "", false}},
		{"GET", codings, plain, 200, n, true, want{"zstd", "", "Accept-Encoding", false}},
		{"GET", "br", plain, 200, n, true, want{"br", "", "Accept-Encoding", false}},
		{"GET", "gzip", plain + "|Content-Length: 20000", 200, n, true, want{"gzip", "", "Accept-Encoding", false}},
		{"GET", "gzip", plain + "|Content-Length: 500", 200, 500, true, want{"", "", "", true}},
		{"GET", "", plain, 200, n, true, want{"", "", "Accept-Encoding", false}},
		{"GET", "gzip", "Content-Type: image/png", 200, n, true, want{"", "", "", false}},
	}
	work := func(c *call) {
		c.readAll()
		i, _ := strconv.Atoi(c.request.Target[1:])
		test := &tests[i]
		text := body[:test.size]
		var headers []string
		for _, line := range strings.FieldsFunc(test.headers, func(r rune) bool { return r == '|' }) {
			key, value, _ := strings.Cut(line, ": ")
			headers = append(headers, key, value)
		}
		if !test.streamed {
			c.whole(test.status, text, headers...)
			return
		}
		c.respond(0, test.status, headers, text[:len(text)/3])
		c.data([]byte(text[len(text)/3:]), true)
	}
	fromEach(t, work, func(*Options) {}, func(t *testing.T, h *house) {
		for i, test := range tests {
			name := fmt.Sprintf("%s %q %q %d %d %v", test.method, test.accept, test.headers, test.status, test.size,
				test.streamed)
			var with []string
			if test.accept != "" {
				with = []string{"Accept-Encoding", test.accept}
			}
			resp, got := h.do(test.method, fmt.Sprintf("/%d", i), nil, with...)
			header, text := resp.Header, body[:test.size]
			if header.Get("Content-Encoding") != test.want.coding || header.Get("Etag") != test.want.etag ||
				strings.Join(header["Vary"], "|") != test.want.vary || resp.StatusCode != test.status ||
				test.want.length && resp.ContentLength < 0 ||
				test.method == "HEAD" && test.want.coding != "" && resp.ContentLength >= 0 {
				t.Errorf("%s: %s %s, %d bytes, %v", name, resp.Proto, resp.Status, resp.ContentLength, header)
			}
			if len(header["Accept-Ranges"]) > 0 {
				t.Errorf("%s: parts can be asked for", name)
			}
			if test.method == "HEAD" {
				continue
			}
			if test.want.coding != "" && test.want.coding != "own" {
				if len(got) > len(text)*2/3 {
					t.Errorf("%s: %d bytes of %d", name, len(got), len(text))
				}
				got = inflate(t, test.want.coding, got)
			}
			if got != text {
				t.Errorf("%s: %d bytes came, and no others", name, len(got))
			}
		}
	})
}

func TestAStreamComesFlushByFlushAndCompressed(t *testing.T) {
	for _, coding := range []string{"gzip", "zstd", "br"} {
		next := make(chan string)
		work := func(c *call) {
			c.respond(0, 200, []string{"Content-Type", "text/event-stream"}, "")
			for text := range next {
				if !c.data([]byte(text), text == "") || text == "" {
					return
				}
			}
		}
		fromEach(t, work, func(*Options) {}, func(t *testing.T, h *house) {
			req, _ := http.NewRequest("GET", h.url, nil)
			req.Header.Set("Accept-Encoding", coding)
			resp, err := h.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := resp.Header.Get("Content-Encoding"); got != coding {
				t.Fatalf("%s: it came as %q", coding, got)
			}
			var events io.Reader
			for i := range 5 {
				text := fmt.Sprintf("data: the event of number %d\n\n", i)
				next <- text
				if events == nil {
					events = bufio.NewReader(inflated(t, coding, resp.Body))
				}
				got := make([]byte, len(text))
				if _, err := io.ReadFull(events, got); err != nil || string(got) != text {
					t.Fatalf("%s: event %d is %q, %v", coding, i, got, err)
				}
			}
			next <- ""
			if rest, err := io.ReadAll(events); err != nil || len(rest) > 0 {
				t.Errorf("%s: behind the end there is %q, %v", coding, rest, err)
			}
		})
	}
}

func TestAStreamThatBreaksOffIsNoWholeOneInItsCoding(t *testing.T) {
	text := page(200_000)
	begun := make(chan bool)
	work := func(c *call) {
		c.respond(0, 200, []string{"Content-Type", "text/html"}, text[:50_000])
		c.data([]byte(text[50_000:]), false)
		<-begun
		c.fail(protocol.FailedDied)
	}
	for _, coding := range []string{"gzip", "zstd", "br"} {
		fromEach(t, work, func(*Options) {}, func(t *testing.T, h *house) {
			req, _ := http.NewRequest("GET", h.url, nil)
			req.Header.Set("Accept-Encoding", coding)
			resp, err := h.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			begun <- true
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("%s: %d bytes came as if they were all", coding, len(body))
			}
		})
	}
}

func TestAStaticFileGoesOutAsItLiesOrAsItIsMade(t *testing.T) {
	app, large := page(20_000), page(300_000)
	base := tree(t, map[string]string{
		"app.js": app, "app.js.br": "made by brotli", "app.js.gz": "made by gzip", "style.css": app,
		"large.txt": large, "small.css": "a{}", "small.css.zst": "made by zstd", "photo.png": app,
		"photo.png.gz": "no", "page/index.html": app, "page/index.html.gz": "made by gzip", "empty.txt": "",
		"lone.js.gz": "no",
	})
	typesOf := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
		".txt": "text/plain; charset=utf-8", ".png": "image/png", "": "text/html; charset=utf-8"}
	tests := []struct {
		method, path, accept, coding, body string
		extra                              []string
	}{
		{"GET", "/app.js", codings, "br", "made by brotli", nil},
		{"GET", "/app.js", "gzip, zstd", "gzip", "made by gzip", nil},
		{"GET", "/app.js", "gzip, br;q=0.5", "gzip", "made by gzip", nil},
		{"GET", "/app.js", "zstd", "zstd", app, nil},
		{"GET", "/app.js", "", "", app, nil},
		{"GET", "/style.css", codings, "zstd", app, nil},
		{"GET", "/style.css", "gzip", "gzip", app, nil},
		{"GET", "/style.css", "br", "br", app, nil},
		{"GET", "/large.txt", "gzip", "gzip", large, nil},
		{"GET", "/large.txt", "br", "br", large, nil},
		{"GET", "/large.txt", codings, "zstd", large, nil},
		{"GET", "/large.txt", "", "", large, nil},
		{"GET", "/small.css", codings, "zstd", "made by zstd", nil},
		{"GET", "/small.css", "gzip", "", "a{}", nil},
		{"GET", "/photo.png", codings, "", app, nil},
		{"GET", "/page/", codings, "gzip", "made by gzip", nil},
		{"GET", "/empty.txt", codings, "", "", nil},
		{"GET", "/lone.js", codings, "", "worker", nil},
		{"GET", "/app.js", codings, "", app[100:200], []string{"Range", "bytes=100-199"}},
		{"GET", "/style.css", codings, "", app[100:200], []string{"Range", "bytes=100-199"}},
		{"GET", "/style.css", codings, "", app, []string{"Range", "items=1-2"}},
		{"HEAD", "/app.js", codings, "br", "", nil},
		{"HEAD", "/style.css", codings, "zstd", "", nil},
		{"HEAD", "/large.txt", "gzip", "gzip", "", nil},
	}
	work := func(c *call) { c.whole(404, "worker", "Content-Type", "text/plain") }
	fromEach(t, work, func(o *Options) { o.Public = base }, func(t *testing.T, h *house) {
		for range 2 { // the second time they are at hand
			for _, test := range tests {
				name := fmt.Sprintf("%s %s %q %q", test.method, test.path, test.accept, test.extra)
				with := test.extra
				if test.accept != "" {
					with = append([]string{"Accept-Encoding", test.accept}, with...)
				}
				resp, body := h.do(test.method, test.path, nil, with...)
				header := resp.Header
				vary := "Accept-Encoding"
				if strings.HasSuffix(test.path, ".png") || test.body == "worker" {
					vary = ""
				}
				if header.Get("Content-Encoding") != test.coding || header.Get("Vary") != vary {
					t.Errorf("%s: %s %s %v", name, resp.Proto, resp.Status, header)
				}
				if test.coding != "" && !strings.HasPrefix(test.body, "made by") && test.method == "GET" {
					body = inflate(t, test.coding, body)
				}
				if body != test.body {
					t.Errorf("%s: %d bytes came: %.20q", name, len(body), body)
				}
				if resp.StatusCode == 404 {
					continue
				}
				if test.coding == "" == (header.Get("Accept-Ranges") == "") {
					t.Errorf("%s: parts: %q", name, header.Get("Accept-Ranges"))
				}
				known := test.coding == "" || strings.HasPrefix(test.body, "made by") || test.path == "/style.css" &&
					test.method == "GET"
				if known && resp.ContentLength < 0 {
					t.Errorf("%s: its length is not known", name)
				}
				if kind := typesOf[path.Ext(test.path)]; kind != header.Get("Content-Type") {
					t.Errorf("%s is %q", name, header.Get("Content-Type"))
				}
				tag := header.Get("Etag")
				if header.Get("Content-Encoding") != "" && !strings.HasPrefix(test.body, "made by") &&
					!(test.path == "/app.js" && test.coding == "br") != strings.HasPrefix(tag, "W/") {
					t.Errorf("%s is called %s", name, tag)
				}
				again, body := h.do(test.method, test.path, nil, append(with, "If-None-Match", tag)...)
				if again.StatusCode != 304 || body != "" || again.Header.Get("Etag") != tag ||
					again.Header.Get("Vary") != vary || again.Header.Get("Content-Encoding") != "" {
					t.Errorf("%s once more: %s %v", name, again.Status, again.Header)
				}
			}
		}
	})
}

func TestWhatIsNotModifiedIsCalledAsTheClientKnowsIt(t *testing.T) {
	work := func(c *call) { c.whole(304, "", "ETag", `"a"`) }
	fromEach(t, work, func(*Options) {}, func(t *testing.T, h *house) {
		for has, want := range map[string][2]string{
			`"a"`: {`"a"`, ""}, `W/"a"`: {`W/"a"`, "Accept-Encoding"}, `"b", W/"a"`: {`W/"a"`, "Accept-Encoding"},
			`W/"a", "a"`: {`"a"`, ""}, `W/"b"`: {`"a"`, ""}, "*": {`"a"`, ""},
		} {
			resp, _ := h.do("GET", "/", nil, "Accept-Encoding", "gzip", "If-None-Match", has)
			got := [2]string{resp.Header.Get("Etag"), resp.Header.Get("Vary")}
			if resp.StatusCode != 304 || got != want {
				t.Errorf("%s: %q, wanted %q", has, got, want)
			}
		}
	})
}

func TestAWorkersFileIsSentAsItIs(t *testing.T) {
	base := tree(t, map[string]string{"export.csv": page(20_000), "export.csv.gz": "no"})
	work := func(c *call) {
		c.say(func() { c.sink.Respond(&protocol.Response{Flags: 3, Status: 200, File: base + "/export.csv"}) })
	}
	fromEach(t, work, func(*Options) {}, func(t *testing.T, h *house) {
		h.backend.traits.FileRoots = []string{base}
		resp, body := h.do("GET", "/", nil, "Accept-Encoding", codings)
		if resp.Header.Get("Content-Encoding") != "" || body != page(20_000) || resp.Header.Get("Etag")[0] != '"' {
			t.Errorf("%d bytes, %v", len(body), resp.Header)
		}
	})
}

func TestTheAccessLogCountsWhatWasSent(t *testing.T) {
	change, lines := withAccess(t, "access.json")
	h := start(t, func(c *call) { c.whole(200, page(20_000), "Content-Type", "text/html") }, compressing, change)
	_, body := h.do("GET", "/", nil, "Accept-Encoding", "gzip")
	h.Close()
	if want := fmt.Sprintf(`"bytes_out":%d,`, len(body)); !strings.Contains(lines()[0], want) {
		t.Errorf("%d bytes were sent: %s", len(body), lines()[0])
	}
}

func TestCompressionChangesWithTheTerms(t *testing.T) {
	h := start(t, func(c *call) { c.whole(200, page(20_000), "Content-Type", "text/html") })
	var o Options
	compressing(&o)
	for _, policy := range []*compress.Policy{o.Compression, nil, o.Compression} {
		h.change(Terms{Terms: web.Terms{Backend: h.backend, Limits: web.DefaultLimits(), Compression: policy}})
		resp, _ := h.do("GET", "/", nil, "Accept-Encoding", "gzip")
		if coded := resp.Header.Get("Content-Encoding") == "gzip"; coded != (policy != nil) {
			t.Errorf("with %v: %v", policy, resp.Header)
		}
	}
}

func TestAHeldResponseIsSentAsItIs(t *testing.T) {
	l, _ := startHeld(t, func(k *keeper, o *Options) { compressing(o) })
	first := page(20_000)
	r := l.listen(http.DefaultClient, "Accept-Encoding", codings)
	defer r.quit()
	if got := r.resp.Header.Get("Content-Encoding"); got != "" || r.resp.Header.Get("Vary") != "" {
		t.Error(r.resp.Header)
	}
	l.held(1)
	l.toNews(first)
	if _, err := io.ReadFull(r.body, make([]byte, 20_000)); err != nil {
		t.Error(err)
	}
}

// What does not shrink is what a client has to take.
func TestWhoDoesNotReadAFileInACodingIsCutByTheWriteTimeout(t *testing.T) {
	base := t.TempDir()
	text := make([]byte, 8<<20)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(text); i++ {
		text[i] = byte('0' + r.IntN(64))
	}
	for _, name := range []string{"made.txt", "lies.txt", "lies.txt.gz"} {
		if err := os.WriteFile(filepath.Join(base, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	told := filepath.Join(t.TempDir(), "access.log")
	log, err := accesslog.Open(told, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	over := 0 // requests, of all houses
	fromEach(t, hello, func(o *Options) {
		o.Public, o.Limits.WriteTimeout, o.Access = base, 200*time.Millisecond, log
	}, func(t *testing.T, h *house) {
		answers := map[string]*http.Response{}
		for _, name := range []string{"made.txt", "lies.txt"} {
			req, _ := http.NewRequest("GET", h.url+"/"+name, nil)
			req.Header.Set("Accept-Encoding", "gzip")
			resp, err := h.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			answers[name] = resp
		}
		// Nothing is read until the server has done with both, however long it takes to make them.
		over += len(answers)
		for until := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			lines, err := os.ReadFile(told)
			if err != nil || time.Now().After(until) {
				t.Fatalf("they are not cut: %v", err)
			}
			if bytes.Count(lines, []byte("\n")) >= over {
				break
			}
		}
		for name, resp := range answers {
			n, err := io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.Header.Get("Content-Encoding") != "gzip" || err == nil {
				t.Errorf("%s, %s: %d bytes, %v", resp.Proto, name, n, err)
			}
		}
	})
}
