// Large bodies and slow clients: neither costs the host memory, nor the pool a worker.

package web

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

const (
	memoryLimit = 64 << 20
)

// peakMemory is the most memory that the host has ever had.
func peakMemory(h *harness.Host) int64 {
	h.T.Helper()
	text := harness.ReadFile(h.T, fmt.Sprintf("/proc/%d/status", h.Cmd.Process.Pid))
	_, after, _ := strings.Cut(text, "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		h.T.Fatal(err)
	}
	return kib << 10
}

// pattern reads as the blocks of the pages' /blocks do.
type pattern struct{ left int64 }

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)&^15), p.left))
	if n == 0 {
		n = int(min(p.left, int64(len(b))))
	}
	for i := 0; i < n; i += copy(b[i:n], patternBlock) {
	}
	p.left -= int64(n)
	return n, nil
}

var patternBlock = strings.Repeat("0123456789abcdef", 4096)

// TestABodyOfAnySizeNeedsLittleMemory sends 96 MiB each way, well above the limit, and a gibibyte in its long form.
func TestABodyOfAnySizeNeedsLittleMemory(t *testing.T) {
	size := int64(96 << 20)
	if harness.Long {
		size = 1 << 30
	}
	dir := harness.Pages(t, "1")
	for _, c := range []struct {
		name  string
		start func(t *testing.T) *harness.Host
	}{
		{"PHP", func(t *testing.T) *harness.Host { return harness.StartPHP(t, dir, "", "workers = 2", "") }},
		{"PHP, the body streamed", func(t *testing.T) *harness.Host {
			return harness.StartPHP(t, dir, "", "workers = 2\nrequest_body = \"stream\"", "")
		}},
		{"Go", func(t *testing.T) *harness.Host {
			return harness.Start(t, "-c", filepath.Join(harness.GoSite(t, "workers = 1"), "host.toml"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := c.start(t)
			sum := sha256.New()
			// chunked
			resp, err := http.Post(h.URL+"/digest", "application/octet-stream",
				io.TeeReader(struct{ io.Reader }{&pattern{size}}, sum))
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			want := fmt.Sprintf("%x", sum.Sum(nil))
			if string(got) != fmt.Sprintf("%d %s", size, want) {
				t.Errorf("the upload arrived as %q", got)
			}
			up := peakMemory(h)
			resp, err = http.Get(h.URL + fmt.Sprintf("/blocks?bytes=%d", size))
			if err != nil {
				t.Fatal(err)
			}
			sum.Reset()
			n, err := io.Copy(sum, resp.Body)
			resp.Body.Close()
			if err != nil || n != size || fmt.Sprintf("%x", sum.Sum(nil)) != want {
				t.Errorf("the download came as %d bytes, %v", n, err)
			}
			if peak := peakMemory(h); peak > memoryLimit {
				t.Errorf("the host needed %d MiB, %d MiB of them for the upload", peak>>20, up>>20)
			} else {
				t.Logf("the host needed %d MiB", peak>>20)
			}
		})
	}
}

func TestBodiesOfEveryLengthArriveWhole(t *testing.T) {
	t.Parallel()
	php := harness.Pages(t, "1")
	hosts := map[string]*harness.Host{
		"PHP": harness.StartPHP(t, php, "", "workers = 2", ""),
		"PHP, a small buffer": harness.StartPHP(t, php, "body_buffer = \"1KiB\"\nresponse_buffer = \"1KiB\"",
			"workers = 2", ""),
		"PHP, streamed": harness.StartPHP(t, php, "", "workers = 2\nrequest_body = \"stream\"", ""),
		"Go":            harness.Start(t, "-c", filepath.Join(harness.GoSite(t, "workers = 1"), "host.toml")),
	}
	for name, h := range hosts {
		for _, size := range []int{0, 1, 4095, 4096, 65535, 65536, 65537, 262143, 262144, 262145, 1 << 20, 1<<20 + 1,
			3_000_001} {
			text, sum := harness.Body(size)
			c := h.Dial() // both framings on one connection, as far as it is kept
			c.Sendf("POST /sum HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%s", size, text)
			if got, err := c.OK("POST"); err != nil || got != fmt.Sprintf("1 %d %s", size, sum) {
				t.Errorf("%s, %d bytes with Content-Length: %q %v", name, size, got, err)
				continue
			}
			c.Send("POST /sum HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
			if err := harness.Chunked(c, text, 10_007); err != nil {
				t.Errorf("%s, %d bytes in chunks: %v", name, size, err)
				continue
			}
			if got, err := c.OK("POST"); err != nil || got != fmt.Sprintf("1 %d %s", size, sum) {
				t.Errorf("%s, %d bytes in chunks: %q %v", name, size, got, err)
			}
			if code, got := h.Get(fmt.Sprintf("/blocks?bytes=%d", size)); code != 200 || len(got) != size {
				t.Errorf("%s, a response of %d bytes: %d, %d bytes", name, size, code, len(got))
			}
		}
	}
}

// A worker may answer without having read the body; the client still gets the answer, and the connection stays usable
// or is closed in good order.
func TestABodyThatNobodyReadsDoesNoHarm(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	for _, h := range []*harness.Host{harness.StartPHP(t, dir, "", "workers = 1", ""),
		harness.StartPHP(t, dir, "", "workers = 1\nrequest_body = \"stream\"", "")} {
		for _, size := range []int{1, 10_000, 100_000, 1_000_000, 5_000_000} {
			text, _ := harness.Body(size)
			for _, framing := range []string{"length", "chunked"} {
				c := h.Dial()
				sent := make(chan error, 1)
				go func() {
					if framing == "length" {
						_, err := fmt.Fprintf(c, "POST /unread HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%s",
							size, text)
						sent <- err
						return
					}
					io.WriteString(c, "POST /unread HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
					sent <- harness.Chunked(c, text, 20_000)
				}()
				if got, err := c.OK("POST"); err != nil || got != "not read" {
					t.Errorf("%s, %d bytes: %q %v", framing, size, got, err)
				}
				c.Close()
				<-sent
			}
		}
	}
}

func TestASlowDownloadCostsNoWorker(t *testing.T) {
	t.Parallel()
	h := harness.StartPHP(t, harness.Pages(t, "1"), "", "workers = 1", "")
	const size = 16 << 20
	for _, target := range []string{fmt.Sprintf("/string?bytes=%d", size), fmt.Sprintf("/blocks?bytes=%d", size)} {
		c := h.Dial()
		c.Conn.(*net.TCPConn).SetReadBuffer(32 << 10)
		c.Send("GET " + target + " HTTP/1.1\r\nHost: here\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReaderSize(c.Reader, 4096), nil)
		if err != nil {
			t.Fatal(err)
		}
		h.Await("idle", 1) // while the client has read nothing but the head
		if _, text := h.Get("/hello"); text != "hello 1" {
			t.Errorf("meanwhile: %q", text)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
			t.Errorf("%s: %d bytes, %v", target, n, err)
		}
	}
	if peak := peakMemory(h); peak > memoryLimit {
		t.Errorf("the host needed %d MiB", peak>>20)
	}
}

func TestASlowUploadCostsNoWorker(t *testing.T) {
	t.Parallel()
	h := harness.StartPHP(t, harness.Pages(t, "1"), "", "workers = 1", "")
	const each = 50_000
	text, sum := harness.Body(8 * each)
	var slow []*harness.Client
	for range 4 {
		c := h.Dial()
		c.Sendf("POST /sum HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n", len(text))
		slow = append(slow, c)
	}
	for i := range 8 {
		h.Await("busy", 0) // the page before is answered a moment before its worker is done
		if _, text := h.Get("/hello"); text != "hello 1" {
			t.Errorf("meanwhile: %q", text)
		}
		for _, c := range slow {
			c.Send(text[i*each : (i+1)*each])
		}
	}
	for _, c := range slow {
		if got, err := c.OK("POST"); err != nil || got != fmt.Sprintf("1 %d %s", len(text), sum) {
			t.Errorf("%q %v", got, err)
		}
	}
}

func TestAnUploadThatStallsIsA408(t *testing.T) {
	t.Parallel()
	h := harness.StartPHP(t, harness.Pages(t, "1"), "read_timeout = \"300ms\"\nheader_timeout = \"300ms\"",
		"workers = 1", "")
	c := h.Dial()
	c.Send("POST /sum HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nhalf of it")
	if a := c.Answer("POST"); a.StatusCode != 408 {
		t.Errorf("a body that stalls: %s", a.Status)
	}
	if !c.Closed() {
		t.Error("the connection stays open after a 408")
	}
	c = h.Dial()
	c.Send("GET /hello HTTP/1.1\r\nHos")
	if !c.Closed() {
		t.Error("a head that never ends keeps its connection")
	}
	// Slow but steady is in time, however long the whole takes.
	c = h.Dial()
	c.Send("POST /sum HTTP/1.1\r\nHost: here\r\nContent-Length: 8\r\n\r\n")
	for range 8 {
		time.Sleep(100 * time.Millisecond) // the client's pace is what is tested
		c.Send("x")
	}
	if _, err := c.OK("POST"); err != nil {
		t.Errorf("a steady upload: %v", err)
	}
}

func TestBodiesBeyondTheLimitsAreRefused(t *testing.T) {
	t.Parallel()
	spool := t.TempDir()
	h := harness.StartPHP(t, harness.Pages(t, "1"),
		"max_body = \"1MiB\"\nbody_buffer = \"64KiB\"\nspool_quota = \"512KiB\"\n"+
			"spool_directory = \""+spool+"\"\nmax_header = \"4KiB\"", "workers = 1", "")
	c := h.Dial()
	c.Send("POST /sum HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n")
	if a := c.Answer("POST"); a.StatusCode != 413 {
		t.Errorf("announced too long: %s", a.Status)
	}
	c = h.Dial()
	text, _ := harness.Body(1<<20 + 1)
	go func() {
		io.WriteString(c, "POST /sum HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
		harness.Chunked(c, text, 50_000)
	}()
	if a := c.Answer("POST"); a.StatusCode != 413 && a.StatusCode != 503 { // the quota is smaller still
		t.Errorf("too long in chunks: %s", a.Status)
	}
	c = h.Dial()
	c.Send("POST /sum HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
	if a := c.Answer("POST"); a.StatusCode != 413 {
		t.Errorf("announced as what can never fit into the quota: %s", a.Status)
	}
	c = h.Dial()
	go func() {
		io.WriteString(c, "POST /sum HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
		harness.Chunked(c, text[:1000000], 50_000)
	}()
	if a := c.Answer("POST"); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("past the quota: %s, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
	}
	c = h.Dial()
	go fmt.Fprintf(c, "GET /hello HTTP/1.1\r\nHost: here\r\nX-Long: %s\r\n\r\n", text[:20_000])
	if a := c.Answer("GET"); a.StatusCode != 431 {
		t.Errorf("a long header: %s", a.Status)
	}
	if n := h.Seen("POST"); n != 0 {
		t.Errorf("%d of them reached the worker", n)
	}
	// The quota is free again: a body that needs the disk fits, as often as one likes.
	for range 5 {
		text, sum := harness.Body(500_000)
		c = h.Dial()
		c.Sendf("POST /sum HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		if got, err := c.OK("POST"); err != nil || !strings.HasSuffix(got, sum) {
			t.Errorf("afterwards: %q %v", got, err)
		}
	}
	h.Stop()
	if left, _ := os.ReadDir(spool); len(left) != 0 {
		t.Errorf("the host left %v in its spool directory", left)
	}
}
