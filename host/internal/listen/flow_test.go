// What is written while it comes, and files: the connection stays on the lane, and clients can't tell.

package listen

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/lane"
	"github.com/workerhost/workerhost/protocol"
)

// flowing answers with what the target names: a stream, a large body, or the file of X-File.
func flowing(c *call) {
	c.readAll()
	file, status := c.header("X-File"), 200
	fmt.Sscan(c.header("X-Status"), &status)
	switch {
	case file != "":
		c.say(func() {
			c.sink.Respond(&protocol.Response{Flags: protocol.FlagEnd | protocol.FlagDone, Status: status, File: file,
				Headers: []string{"x-name", "1", "Cache-Control", "private"}})
		})
	case strings.HasPrefix(c.request.Target, "/stream"):
		c.respond(0, 200, nil, "a")
		for i := range 3 {
			c.data([]byte(strings.Repeat("s", i*5000)), false)
		}
		c.data([]byte("c"), true, "X-Sum", "1", "Age", "2")
	case strings.HasPrefix(c.request.Target, "/large"):
		c.respond(0, 200, []string{"Content-Length", "200000"}, strings.Repeat("l", 65536))
		c.data(bytes.Repeat([]byte("l"), 200_000-65536), true)
	default:
		hello(c)
	}
}

func TestAConnectionStaysOnTheLaneAfterAFileAStreamAndALargeAnswer(t *testing.T) {
	base := tree(t, map[string]string{"small.txt": "0123456789", "large.bin": strings.Repeat("f", 3<<20)})
	h := start(t, flowing, func(o *Options) { o.Public = base })
	h.backend.traits.FileRoots = []string{base}
	c := h.visit()
	if c.ask(plainGet); h.lane.Load() == nil {
		t.Skip("there is no lane")
	}
	for _, test := range []struct {
		ask  string
		want int
	}{
		{"GET /small.txt", 10}, {"GET /large.bin", 3 << 20}, {"GET /stream", 15002}, {"GET /large", 200_000},
		{"POST / X-File: " + base + "/large.bin", 3 << 20}, {"GET /hello", 13},
	} {
		ask, field, _ := strings.Cut(test.ask, " X-")
		request := ask + " HTTP/1.1\r\nHost: a\r\n"
		if field != "" {
			request += "X-" + field + "\r\n"
		}
		resp, body, err := c.ask(request + "\r\n")
		if err != nil || resp.StatusCode != 200 || len(body) != test.want {
			t.Fatalf("%s: %v, %d bytes, %v", ask, resp, len(body), err)
		}
		for _, client := range h.clients.list() {
			if _, on := client.Conn.(*lane.Conn); !on {
				t.Fatalf("%s: the connection is a %T", ask, client.Conn)
			}
		}
	}
}

var randomBoundary = regexp.MustCompile(`\b[0-9a-f]{60}\b`)

func TestGeneratedRequestsForFilesGetTheSameAnswersOnTheLaneAndOff(t *testing.T) {
	base := tree(t, map[string]string{
		"a.txt": "0123456789", "empty.css": "", "page.html": strings.Repeat("p", 2049),
		"near.bin": strings.Repeat("n", 16<<10), "edge.bin": strings.Repeat("y", 65536),
		"over.bin": strings.Repeat("o", 65537), "big.bin": strings.Repeat("z", 200_000),
	})
	hour := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	names := []string{"a.txt", "empty.css", "page.html", "near.bin", "edge.bin", "over.bin", "big.bin", "none"}
	for _, name := range names[:7] {
		if err := os.Chtimes(filepath.Join(base, name), hour, hour); err != nil {
			t.Fatal(err)
		}
	}
	var both [2]*house
	for i, on := range []func(*Options){onLoops(t), func(o *Options) { o.Loops = nil }} {
		both[i] = start(t, flowing, on, func(o *Options) { o.Public = base })
		both[i].backend.traits.FileRoots = []string{base}
	}
	tag := fmt.Sprintf("%q", "a-"+strconv.FormatInt(hour.UnixNano(), 36))
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	most := 40
	if os.Getenv("LONG_TESTS") != "" {
		most = 3000
	}
	for range most {
		var sends strings.Builder
		for range 1 + r.IntN(3) {
			fmt.Fprintf(&sends, "%s /%s HTTP/1.1\r\nHost: a\r\n", pick("GET", "GET", "HEAD", "POST"),
				pick(append(names, "stream", "large")...))
			for range r.IntN(4) {
				sends.WriteString(pick("Range: bytes=0-1", "Range: bytes=5-", "Range: bytes=-3", "Range: x",
					"Range: bytes=0-1,4-5", "Range: bytes=900000-", "If-Range: "+tag, "If-None-Match: "+tag,
					"If-None-Match: *", "If-Match: \"x\"", "If-Modified-Since: "+hour.Format(http.TimeFormat),
					"If-Unmodified-Since: "+hour.Add(-time.Hour).Format(http.TimeFormat), "Connection: close",
					"X-File: "+base+"/"+pick(names...), "X-Status: "+pick("200", "404", "204", "304"),
					"Accept: text/html") + "\r\n")
			}
			sends.WriteString("\r\n")
		}
		var got [2]string
		for i, h := range both {
			got[i] = randomBoundary.ReplaceAllString(said(t, h.address, sends.String()), strings.Repeat("B", 60))
		}
		if got[0] != got[1] && !sameAnswers(t, sends.String(), got[0], got[1]) {
			t.Fatalf("seed %d: %q\n  lane: %.2000q\n  off:  %.2000q", seed, sends.String(), got[0], got[1])
		}
	}
}

// slowly dials with little room for what comes.
func (h *house) slowly(request string) (net.Conn, *bufio.Reader) {
	h.t.Helper()
	c := h.dial()
	c.(*net.TCPConn).SetReadBuffer(256 << 10) // more than a segment of the loopback
	io.WriteString(c, request)
	return c, bufio.NewReaderSize(c, 16)
}

const getBig = "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n"

func TestASlowClientOfAFileGetsAllOfItThoughTheFolderIsReplacedMeanwhile(t *testing.T) {
	content := pattern(16 << 20)
	base := tree(t, map[string]string{"r1/big.bin": string(content), "r2/big.bin": "two", "current": "->r1"})
	h := start(t, hello, func(o *Options) { o.Public = base + "/current" })
	_, in := h.slowly(getBig)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 1000)
	if _, err := io.ReadFull(resp.Body, part); err != nil {
		t.Fatal(err)
	}
	os.Remove(base + "/current")
	os.Symlink("r2", base+"/current")
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, body := h.get("/big.bin"); body != "two" {
		t.Errorf("another client got %d bytes", len(body))
	}
	rest, err := io.ReadAll(resp.Body)
	if err != nil || digest(append(part, rest...)) != digest(content) {
		t.Errorf("%d bytes came, %v", len(part)+len(rest), err)
	}
}

func TestClientsThatLeaveInTheMiddleOfAFileLeaveNoDescriptorBehind(t *testing.T) {
	open := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(names)
	}
	base := tree(t, map[string]string{"big.bin": strings.Repeat("x", 16<<20)})
	h := start(t, hello, func(o *Options) { o.Public = base })
	h.get("/none") // what is opened once is open
	before := open()
	for i := range 30 {
		c, in := h.slowly(getBig)
		if _, err := in.Peek(1); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			hangUp(c)
		} else {
			c.Close() // unread bytes make it a reset, too
		}
	}
	for until := time.Now().Add(10 * time.Second); h.Connections() > 1 || open() > before; {
		if time.Now().After(until) {
			t.Fatalf("%d connections, %d descriptors more", h.Connections(), open()-before)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAFileThatIsCutShortWhileItIsSentEndsItsConnection(t *testing.T) {
	base := tree(t, map[string]string{"big.bin": strings.Repeat("x", 32<<20)})
	h := start(t, hello, func(o *Options) { o.Public = base })
	_, in := h.slowly(getBig + getBig)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(base+"/big.bin", 24<<20); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); n > 24<<20 || err == nil {
		t.Errorf("%d bytes came, %v", n, err)
	}
	if _, err := in.Peek(1); err == nil {
		t.Error("there is another answer")
	}
}

func TestAClientThatTakesNothingOfAFileIsCutOff(t *testing.T) {
	base := tree(t, map[string]string{"big.bin": strings.Repeat("x", 16<<20)})
	h := start(t, hello, func(o *Options) {
		o.Public, o.Limits.WriteTimeout = base, 200*time.Millisecond
	})
	_, in := h.slowly(getBig)
	for until := time.Now().Add(10 * time.Second); h.Connections() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it is still connected")
		}
	}
	if n, err := io.Copy(io.Discard, in); err == nil && n >= 16<<20 {
		t.Errorf("it got %d bytes", n)
	}
}
