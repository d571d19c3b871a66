// HTTP as clients of all kinds speak it.

package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// echoed is what the pages' /echo tells of a request.
type echoed struct {
	Method, Target, Version, Scheme, Host, Remote, Body string
	Headers                                             map[string][]string
	Trailers                                            any
	TLS                                                 []string
	Length                                              *int
}

func echo(h *harness.Host, t *testing.T, request string) (e echoed, a harness.Answer) {
	t.Helper()
	c := h.Dial()
	c.Send(request)
	method, _, _ := strings.Cut(request, " ")
	a = c.Answer(method)
	if err := json.Unmarshal([]byte(a.Text), &e); err != nil {
		t.Fatalf("%s: %v in %s", a.Status, err, a.Text)
	}
	return e, a
}

func TestARequestArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "1", harness.Pages(t, "1"))
	e, _ := echo(h, t, "PATCH /echo?a=%20+&a=2&%zz HTTP/1.1\r\nHost: Example.org:81\r\nX-B: 1\r\nX-A:  padded "+
		"\r\nx-b: 2\r\nCookie: c=1; d=2\r\nX-UTF: ü\r\nX-Empty:\r\n"+
		"Connection: keep-alive, X-Hop\r\nX-Hop: gone\r\nKeep-Alive: 5\r\nProxy-Connection: gone\r\nTE: "+
		"gzip\r\nUpgrade: gone\r\nContent-Length: 4\r\n\r\nbody")
	if e.Method != "PATCH" || e.Target != "/echo?a=%20+&a=2&%zz" || e.Version != "1.1" || e.Scheme != "http" ||
		e.Host != "Example.org:81" || e.Body != "body" || !strings.HasPrefix(e.Remote, "127.0.0.1:") || e.TLS != nil {
		t.Errorf("%+v", e)
	}
	want := map[string][]string{"host": {"Example.org:81"}, "x-b": {"1", "2"}, "x-a": {"padded"},
		"cookie": {"c=1; d=2"}, "x-utf": {"ü"}, "x-empty": {""}, "content-length": {"4"}}
	if !reflect.DeepEqual(e.Headers, want) {
		t.Errorf("headers: %v", e.Headers)
	}
	absolute := "GET http://other.example/echo?x=1 HTTP/1.1\r\nHost: other.example\r\n\r\n"
	if e, _ := echo(h, t, absolute); e.Target != "/echo?x=1" || e.Host != "other.example" {
		t.Errorf("absolute form: %+v", e)
	}
}

func TestHeadAndStatusesWithoutBody(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "1", harness.Pages(t, "1"))
	c := h.Dial() // one connection for all: a stray body would spoil the next response
	check := func(method, target string, status int, length string) harness.Answer {
		t.Helper()
		c.Send(method + " " + target + " HTTP/1.1\r\nHost: here\r\n\r\n")
		a := c.Answer(method)
		if a.StatusCode != status || a.Text != "" || a.Header.Get("Content-Length") != length {
			t.Errorf("%s %s: %s, Content-Length %q, body %q", method, target, a.Status, a.Header.Get("Content-Length"),
				a.Text)
		}
		if a.Header.Get("Date") == "" {
			t.Errorf("%s %s: no Date", method, target)
		}
		return a
	}
	check("HEAD", "/hello", 200, "7")
	check("HEAD", "/string?bytes=100000", 200, "100000")
	check("HEAD", "/blocks?bytes=1000", 200, "")
	for _, code := range []int{204, 304} {
		a := check("GET", fmt.Sprintf("/status?code=%d&body=ignored", code), code, "")
		if a.Header.Get("X-Own") != "kept" || a.Header.Get("ETag") != `"tag"` {
			t.Errorf("%d lost its headers: %v", code, a.Header)
		}
	}
	check("GET", "/status?code=404", 404, "0")
	check("GET", "/status?code=200", 200, "0")
	if text, err := c.Ask("/hello"); err != nil || text != "hello 1" {
		t.Errorf("at the end of the connection: %q %v", text, err)
	}
}

func TestEarlyHintsComeBeforeTheResponse(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "1", harness.Pages(t, "1"))
	c := h.Dial()
	c.Send("GET /hints HTTP/1.1\r\nHost: here\r\n\r\n")
	if a := c.Answer("GET"); a.StatusCode != 103 || a.Header.Get("Link") != "</style.css>; rel=preload" {
		t.Errorf("first %s %v", a.Status, a.Header)
	}
	if a := c.Answer("GET"); a.StatusCode != 200 || a.Text != "hinted" || a.Header.Get("Link") != "" {
		t.Errorf("then %s %q %v", a.Status, a.Text, a.Header)
	}
}

func TestTrailersTravelBothWays(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "1", harness.Pages(t, "1"))
	for _, size := range []int{0, 10, 200_000} {
		text, _ := harness.Body(size)
		c := h.Dial()
		c.Send("POST /trailer HTTP/1.1\r\nHost: here\r\nTE: trailers\r\nTrailer: X-In\r\nTransfer-Encoding: " +
			"chunked\r\n\r\n")
		var b strings.Builder
		harness.Chunked(&b, text, 5000)
		c.Send(strings.TrimSuffix(b.String(), "\r\n") + "X-In: there\r\n\r\n")
		a := c.Answer("POST")
		if a.StatusCode != 200 || a.Text != "with a trailer" || a.Trailer.Get("X-Sum") != "sum-there" {
			t.Errorf("%d bytes: %s %q, trailers %v", size, a.Status, a.Text, a.Trailer)
		}
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	for _, pool := range []string{"workers = 1", "workers = 1\nrequest_body = \"stream\""} {
		h := harness.StartPHP(t, harness.Pages(t, "1"), "", pool, "")
		for _, size := range []int{1, 100_000} {
			text, sum := harness.Body(size)
			c := h.Dial()
			c.Sendf("POST /sum HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", size)
			if a := c.Answer("POST"); a.StatusCode != 100 {
				t.Fatalf("%s: %s", pool, a.Status)
			}
			c.Send(text)
			if got, err := c.OK("POST"); err != nil || got != fmt.Sprintf("1 %d %s", size, sum) {
				t.Errorf("%s: %q %v", pool, got, err)
			}
			if err := harness.Hello(c); err != nil {
				t.Errorf("%s: the connection afterwards: %v", pool, err)
			}
		}
		c := h.Dial()
		c.Send("POST /sum HTTP/1.1\r\nHost: here\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n")
		if a := c.Answer("POST"); a.StatusCode != 417 {
			t.Errorf("another expectation: %s", a.Status)
		}
	}
}

func TestHTTP10(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "1", harness.Pages(t, "1"))
	for _, target := range []string{"/hello", "/steps?n=2&ms=1"} {
		c := h.Dial()
		c.Send("GET " + target + " HTTP/1.0\r\n\r\n")
		a := c.Answer("GET")
		if a.StatusCode != 200 || len(a.TransferEncoding) > 0 || !strings.HasSuffix(strings.TrimSpace(a.Text), " 1") {
			t.Errorf("%s: %s %v %q", target, a.Status, a.TransferEncoding, a.Text)
		}
		if !c.Closed() {
			t.Errorf("%s: the connection stays open", target)
		}
	}
	c := h.Dial()
	for range 3 {
		c.Send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
		if text, err := c.OK("GET"); err != nil || text != "hello 1" {
			t.Fatalf("kept alive: %q %v", text, err)
		}
	}
}

func TestHTTP2WithPriorKnowledge(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "2", harness.Pages(t, "1"))
	curl := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("curl",
			append([]string{"-sS", "--max-time", "20", "--http2-prior-knowledge"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl: %v\n%s", err, out)
		}
		return string(out)
	}
	if out := curl("-w", " %{http_version} %{http_code}", h.URL+"/hello"); out != "hello 1 2 200" {
		t.Error(out)
	}
	text, sum := harness.Body(2 << 20)
	dir := t.TempDir()
	harness.Write(t, dir, "body", text)
	if out := curl("--data-binary", "@"+dir+"/body", h.URL+"/sum"); out != fmt.Sprintf("1 %d %s", len(text), sum) {
		t.Error(out)
	}
	if out := curl(h.URL + "/steps?n=3&ms=10"); !strings.HasSuffix(out, "end 1\n") {
		t.Error(out)
	}
	var e echoed
	if err := json.Unmarshal([]byte(curl("-H", "X-Many: 1", "-H", "X-Many: 2", h.URL+"/echo")), &e); err != nil ||
		e.Version != "2" && e.Version != "2.0" || e.Host != h.Addr ||
		!reflect.DeepEqual(e.Headers["x-many"], []string{"1", "2"}) {
		t.Errorf("%+v %v", e, err)
	}
	out, err := exec.Command("curl", "-sS", "--max-time", "20", "--http2-prior-knowledge", "-w", "%{http_code}", "-o",
		"/dev/null", h.URL+"/half").CombinedOutput()
	if err == nil && string(out) != "502" {
		t.Errorf("a response that broke off came as a whole: %s", out)
	}
}

func TestAConnectionServesManyRequestsInOrder(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "4", harness.Pages(t, "1"))
	c := h.Dial()
	for range 200 {
		if err := harness.Hello(c); err != nil {
			t.Fatal(err)
		}
	}
	// Pipelined: the first is the slowest, and yet the first to be answered.
	c.Send("GET /slow?ms=300 HTTP/1.1\r\nHost: here\r\n\r\nPOST /sum HTTP/1.1\r\nHost: here\r\nContent-Length: " +
		"3\r\n\r\nabcGET /missing HTTP/1.1\r\nHost: here\r\n\r\nGET /hello HTTP/1.1\r\nHost: here\r\n\r\n")
	for i, want := range []string{"slow 1", "1 3 ", "no page /missing", "hello 1"} {
		if a := c.Answer("GET"); !strings.HasPrefix(a.Text, want) {
			t.Errorf("answer %d: %s %q", i, a.Status, a.Text)
		}
	}
	c.Send("GET /hello HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
	if a := c.Answer("GET"); !a.Close || !c.Closed() {
		t.Error("Connection: close is not heeded")
	}
}

func TestHeadersMayRepeat(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "1", harness.Pages(t, "1"))
	c := h.Dial()
	c.Send("GET /repeat HTTP/1.1\r\nHost: here\r\n\r\n")
	a := c.Answer("GET")
	if !reflect.DeepEqual(a.Header["X-Many"], []string{"one", "two"}) || len(a.Header["Set-Cookie"]) != 2 ||
		!strings.HasPrefix(a.Header["Set-Cookie"][1], "b=2") {
		t.Errorf("%v", a.Header)
	}
}

// Each chunk of a stream reaches the client when it was made, not when the stream ends.
func TestAStreamIsFlushedChunkByChunk(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
		Worker::create()->onRequest(fn (Request $r) => Response::stream((function () {
			for ($i = 1; $i <= 3; $i++) {
				yield "chunk $i\n";
				while (!file_exists(__DIR__ . "/got-$i")) {
					usleep(2000);
					clearstatcache();
				}
			}
		})()))->run();`)
	h := harness.Start(t, "-n", "1", dir)
	resp, err := http.Get(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	for i := 1; i <= 3; i++ {
		if line, err := r.ReadString('\n'); err != nil || line != fmt.Sprintf("chunk %d\n", i) {
			t.Fatalf("%q %v", line, err)
		}
		harness.Write(t, dir, fmt.Sprintf("got-%d", i), "1")
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Error(err)
	}
}

// rawWorker is a worker that answers each request with the messages that answers(), defined before it, gives for the
// target; it puts the stream's number into them.
const rawWorker = `
[$r, $w] = explode(',', getenv('WORKERHOST_FRAMES'));
$in = fopen("php://fd/$r", 'rb');
$out = fopen("php://fd/$w", 'wb');
stream_set_write_buffer($out, 0);
function frame($in): array {
	$length = unpack('N', (string) stream_get_contents($in, 4) ?: exit(0))[1];
	return (new WorkerHost\Internal\Codec())->message((string) stream_get_contents($in, $length));
}
function put($out, array $message): void {
	fwrite($out, (new WorkerHost\Internal\Codec())->frame($message));
}
frame($in);
fwrite($out, "\x89WHW\r\n\x1a\n");
put($out, [2, 0, 1, getmypid(), 'raw/1', 1, []]);
while (true) {
	$m = frame($in);
	if ($m[0] === 7) {
		exit(0);
	}
	if ($m[0] === 4) {
		put($out, [5, 0, $m[2]]);
	}
	if ($m[0] !== 16) {
		continue;
	}
	foreach (answers($m[4]) as $answer) {
		put($out, [$answer[0], $m[1], ...array_slice($answer, 1)]);
	}
}`

func TestAResponseThatBreaksTheRulesIsA502(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
		function answers(string $target): array {
			return match ($target) {
				'/crlf' => [[17, 3, 200, ['X-Evil', "a\r\nSet-Cookie: stolen=1"], 'body']],
				'/nul' => [[17, 3, 200, ['X-Evil', "a\0b"], 'body']],
				'/name' => [[17, 3, 200, ['X Evil', 'a'], 'body']],
				'/no-name' => [[17, 3, 200, ['', 'a'], 'body']],
				'/low' => [[17, 3, 99, [], 'body']],
				'/switching' => [[17, 3, 101, [], 'body']],
				'/high' => [[17, 3, 600, [], 'body']],
				'/file' => [[17, 3, 200, [], null, '/etc/passwd']],
				'/short' => [[17, 0, 200, ['Content-Length', '10'], 'body'], [19, 3, '']],
				'/long' => [[17, 0, 200, ['Content-Length', '3'], 'body'], [19, 3, '']],
				'/reset' => [[21, 200, 'broken'], [22]],
				'/reset-later' => [[17, 0, 200, [], 'body'], [21, 200, 'broken'], [22]],
				'/nothing' => [[22]],
				'/hop' => [[17, 3, 200, ['Connection', 'X-Gone', 'X-Gone', '1', 'Keep-Alive', '5', 'Upgrade', 'x', 'Transfer-Encoding', 'chunked', 'X-Stays', '1'], 'body']],
				'/twice' => [[17, 3, 200, [], 'body'], [17, 3, 200, [], 'again']],
				default => [[17, 3, 200, [], 'fine']],
			};
		}
		`+rawWorker)
	h := harness.Start(t, "-n", "1", dir)
	for _, target := range []string{"/crlf", "/nul", "/name", "/no-name", "/low", "/switching", "/high", "/file",
		"/reset", "/nothing"} {
		c := h.Dial()
		c.Send("GET " + target + " HTTP/1.1\r\nHost: here\r\n\r\n")
		a := c.Answer("GET")
		if a.StatusCode != 502 && !(target == "/file" && a.StatusCode == 500) ||
			strings.Contains(fmt.Sprint(a.Header), "stolen") {
			t.Errorf("%s: %s %v %q", target, a.Status, a.Header, a.Text)
		}
		h.AwaitReady()
	}
	for _, target := range []string{"/short", "/long", "/reset-later"} {
		c := h.Dial()
		c.Send("GET " + target + " HTTP/1.1\r\nHost: here\r\n\r\n")
		if a, err := c.Try("GET"); err == nil && a.StatusCode == 200 && c.Closed() == false {
			t.Errorf("%s: came as if it were whole: %q", target, a.Text)
		} else if err == nil && a.StatusCode != 502 && target != "/long" {
			t.Errorf("%s: %s %q", target, a.Status, a.Text)
		}
	}
	c := h.Dial()
	c.Send("GET /hop HTTP/1.1\r\nHost: here\r\n\r\n")
	if a := c.Answer("GET"); a.StatusCode != 200 || a.Text != "body" ||
		a.Header.Get("X-Gone")+a.Header.Get("Keep-Alive")+a.Header.Get("Upgrade") != "" ||
		a.Header.Get("X-Stays") != "1" {
		t.Errorf("hop-by-hop fields: %s %v %q", a.Status, a.Header, a.Text)
	}
	for _, target := range []string{"/twice", "/fine"} {
		if code, text := h.Get(target); code != 200 ||
			text != map[string]string{"/twice": "body", "/fine": "fine"}[target] {
			t.Errorf("%s: %d %q", target, code, text)
		}
	}
}
