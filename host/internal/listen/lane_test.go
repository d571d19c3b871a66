// The lane and net/http are to be told apart by nobody: all tests run over both, and generated requests get the same
// answers from both.

package listen

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

// loops are those of the tests' servers, unless a test says that it has none; nil where the system has none.
var loops *loop.Set

// onLoops has a server serve on loops even when the tests run without.
func onLoops(t *testing.T) func(*Options) {
	return func(o *Options) {
		if o.Loops = loops; loops != nil {
			return
		}
		made, err := loop.New()
		if err != nil {
			t.Skip("there are no loops")
		}
		t.Cleanup(made.Close)
		o.Loops = made
	}
}

const offLaneVariable = "LISTEN_TESTS_OFF_LANE"

func TestAllHoldsOffTheLaneToo(t *testing.T) {
	if os.Getenv(offLaneVariable) != "" || testing.Short() {
		t.Skip("it is the test of both")
	}
	takesTime(t)
	const others = "UDP|Datagram|TLS|HTTP2|HTTP3|EveryProtocol|InACoding|LittleMemory|Generated|" +
		"WhileTermsChange|OnTheLane|OnLoan|Message|StreamsWithout|FramesThat|WhoeverIs|WindowsFor|" +
		"HeadersOfAnAnswer|AsItLies|^Fuzz" // those have no lane, or see to both sides of it themselves
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.short", "-test.timeout=4m", "-test.skip="+others)
	command.Env = append(os.Environ(), offLaneVariable+"=1")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// kind says, modulo 16, which answer a target gets.
func kind(target string) (n int) {
	for _, b := range []byte(target) {
		n = n*31 + int(b)
	}
	return n & 0xffff
}

// oddAnswers answers as the target says.
func oddAnswers(c *call) {
	body := c.readAll()
	n := kind(c.request.Target)
	headers := []string{"X-N", fmt.Sprint(n), "Content-Type", "text/plain"}
	text := fmt.Sprintf("%s %s %q %d", c.request.Method, c.request.Target, c.request.Headers, len(body))
	switch n % 16 {
	case 0:
		c.whole(204, "")
	case 1:
		c.whole(304, "", "ETag", `"x"`)
	case 2:
		c.whole(200, text, append(headers, "Content-Length", fmt.Sprint(len(text)))...)
	case 3:
		c.whole(404, strings.Repeat("x", n), headers...)
	case 4:
		c.respond(0, 200, headers, text)
		c.data([]byte("more"), true)
	case 5:
		c.whole(200, text, "x-lower", " a", "X-Two", "1", "X-Two", "2", "Set-Cookie", "a=b", "Set-Cookie", "c=d")
	case 6:
		c.fail(protocol.FailedDied)
	case 7:
		c.whole(200, text, append(headers, "Connection", "close")...)
	case 8:
		c.whole(599, text, append(headers, "Date", "now", "Connection", "x-n")...)
	case 9:
		c.whole(200, text, append(headers, "Content-Length", "3")...) // untrue
	case 10:
		c.whole(200, strings.Repeat("y", 100_000), headers...)
	case 11:
		c.whole(200, page(2000+n%3*30_000), append(headers, "ETag", `"x"`, "vary", "Cookie", "Accept-Ranges", "bytes")...)
	case 12:
		c.respond(0, 200, append(headers, "ETag", `W/"x"`), page(3000))
		c.data([]byte(page(2000)), true)
	default:
		c.whole(200, text, headers...)
	}
}

// generate is a request that a client might send, and sometimes one that nobody should.
func generate(r *rand.Rand) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	var b strings.Builder
	body := strings.Repeat("b", r.IntN(2)*r.IntN(3000))
	method := pick("GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "X", "get")
	target := fmt.Sprintf("/%d%s", r.IntN(5000), pick("", "", "?a=b", "/%41", "//", "?%", "#f", "/../x", " "))
	minor := pick("1", "1", "1", "1", "1", "1", "0")
	if n := kind(target) % 16; n == 4 || n == 12 { // HTTP/1.0 ends with what comes in pieces, if they come apart
		minor = "1"
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.%s\r\n", method, target, minor)
	fields := []string{"Host: " + pick("a", "a", "a", "example.org:80", "[::1]", "", "a b")}
	for range r.IntN(5) {
		fields = append(fields, pick("Accept: text/html", "X-One: 1", "x-one:2", "X-One:\t3 ",
			"Cookie: a=b; c", "X_U: u", "Empty:", "Connection: keep-alive", "Connection: close", "Connection: x-one",
			"Te: trailers", "Proxy: x", "Content-Type: multipart/form-data; boundary=b", "Range: bytes=0-1",
			"If-None-Match: *", "X Y: z", "X: \x01",
			"Upgrade: h2c", "Transfer-Encoding: chunked", "Content-Length: 0",
			"Accept-Encoding: gzip", "accept-encoding:\tbr;q=0.5, GZIP;q=0.4", "ACCEPT-ENCODING: zstd",
			"Accept-Encoding:",
			"Accept-Encoding: *;q=0, identity", "Accept-Encoding: gzip;q=0", "Accept-Encoding: x-gzip",
			"Connection: accept-encoding", "connection: Cookie, X-Forwarded-For,,", "cookie: d=e", "COOKIE:",
			"If-None-Match: \"y\", W/\"x\"", "x-forwarded-for: 1.2.3.4, 127.0.0.1", "X-Forwarded-For: 1.2.3.4",
			"X-Forwarded-Proto: https", "X-FORWARDED-HOST: b.test", "X-Forwarded-Host: a b", "Client-Cert: :a:",
			"Forwarded: for=1.2.3.4;proto=https", "X-Real-Ip: 1", "X-Request-Id: one", "Authorization: Basic YTpi"))
	}
	if body != "" || r.IntN(8) == 0 {
		fields = append(fields, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	fmt.Fprintf(&b, "%s\r\n\r\n%s", strings.Join(fields, "\r\n"), body)
	return b.String()
}

// cutOff is at the end of what a server said before its connection was reset.
const cutOff = "…"

var dates = regexp.MustCompile(`(?m)^Date: .* GMT\r$`)

// said is all that a server answers to what a client sends before it closes its half.
func said(t *testing.T, address, sends string) string {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(c, sends)
	c.(*net.TCPConn).CloseWrite()
	all, err := io.ReadAll(c)
	if err != nil { // a reset takes with it what was still on its way
		all = append(all, cutOff...)
	}
	return dates.ReplaceAllString(string(all), "Date: now\r")
}

// sameAnswers says whether two servers have said the same to what was sent, as far as neither was cut off, whatever
// the pieces of its bodies were.
func sameAnswers(t *testing.T, sends, one, other string) bool {
	first, second := answersTo(t, sends, one), answersTo(t, sends, other)
	if strings.HasSuffix(one, cutOff) {
		second = second[:min(len(first), len(second))]
	}
	if strings.HasSuffix(other, cutOff) {
		first = first[:min(len(first), len(second))]
	}
	return slices.Equal(first, second)
}

func TestGeneratedRequestsGetTheSameAnswersOnTheLaneAndOff(t *testing.T) {
	for name, proxies := range map[string]func(*Options){
		"without proxies": func(*Options) {},
		"from a proxy":    func(o *Options) { o.Proxies = networks("127.0.0.0/8") },
		"from no proxy":   func(o *Options) { o.Proxies = networks("10.0.0.0/8") },
	} {
		t.Run(name, func(t *testing.T) { sameOnTheLaneAndOff(t, proxies) })
	}
}

func sameOnTheLaneAndOff(t *testing.T, proxies func(*Options)) {
	lane := start(t, oddAnswers, compressing, proxies, onLoops(t))
	off := start(t, oddAnswers, compressing, proxies, func(o *Options) { o.Loops = nil })
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	requests, most, asked, cut := 0, 300, 0, 0
	if os.Getenv("LONG_TESTS") != "" {
		most = 10_000
	}
	for requests < most && !t.Failed() {
		var sends strings.Builder
		for range 1 + r.IntN(3) {
			sends.WriteString(generate(r))
			requests++
		}
		asked++
		one, other := said(t, lane.address, sends.String()), said(t, off.address, sends.String())
		if strings.HasSuffix(one, cutOff) || strings.HasSuffix(other, cutOff) {
			cut++ // by what nobody read: a matter of time
		}
		if one != other && !sameAnswers(t, sends.String(), one, other) {
			t.Errorf("seed %d: %q\n  lane: %q\n  off:  %q", seed, sends.String(), one, other)
		}
	}
	if cut > asked/2 { // too few are compared to their end
		t.Errorf("%d of %d connections were cut", cut, asked)
	}
}

var linesOfRequests = regexp.MustCompile(`(?m)^([A-Za-z]+) /.* HTTP/1\.\d\r$`)

// answersTo is each answer to what was sent, whatever the pieces of its body were; not the last if it was cut off.
func answersTo(t *testing.T, sends, text string) (answers []string) {
	asked := linesOfRequests.FindAllStringSubmatch(sends, -1)
	text, cut := strings.CutSuffix(text, cutOff)
	in := bufio.NewReader(strings.NewReader(text))
	for {
		asks := &http.Request{Method: "GET"}
		if n := len(answers); n < len(asked) {
			asks.Method = asked[n][1]
		}
		resp, err := http.ReadResponse(in, asks)
		if err != nil {
			return answers
		}
		body, err := io.ReadAll(resp.Body)
		if _, last := in.Peek(1); last != nil && cut {
			return answers
		}
		if coding := resp.Header.Get("Content-Encoding"); len(body) > 0 && err == nil {
			body = []byte(inflate(t, coding, string(body)))
		}
		delete(resp.Header, "Content-Length") // net/http counts what came before it had to write the head
		answers = append(answers, fmt.Sprintf("%s %v %q %v", resp.Status, resp.Header, body, err))
	}
}

// reply has the target in it, so that whoever asks can tell whose answer it is. Some come late, and some in pieces.
func reply(c *call) {
	body := c.readAll()
	text := fmt.Sprintf("%s %d\n", c.request.Target, len(body))
	switch len(c.request.Target) % 4 {
	case 0:
		time.Sleep(time.Millisecond)
		c.whole(200, text)
	case 1:
		c.respond(0, 200, nil, text)
		c.data(nil, true)
	default:
		c.whole(200, text)
	}
}

// visitor is a client that behaves as r says. An error is what should not have happened.
func visitor(address string, r *rand.Rand, name string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(c)
	for turn := range 1 + r.IntN(4) {
		var sends strings.Builder
		var want []string
		for i := range 1 + r.IntN(3) {
			target := fmt.Sprintf("/%s-%d-%d%s", name, turn, i, strings.Repeat("x", r.IntN(4)))
			body := r.IntN(2) * r.IntN(9000)
			fmt.Fprintf(&sends, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", target, body,
				strings.Repeat("b", body))
			want = append(want, fmt.Sprintf("%s %d\n", target, body))
		}
		text := sends.String()
		how := r.IntN(10)
		switch how {
		case 0: // leaves in the middle
			io.WriteString(c, text[:r.IntN(len(text))])
			return nil
		case 1: // leaves in disorder
			io.WriteString(c, text)
			return c.(*net.TCPConn).SetLinger(0)
		case 2: // leaves without reading
			io.WriteString(c, text)
			return nil
		case 3: // is slow
			half := r.IntN(len(text))
			io.WriteString(c, text[:half])
			time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
			text = text[half:]
		}
		if _, err := io.WriteString(c, text); err != nil {
			return err
		}
		if how == 4 {
			c.(*net.TCPConn).CloseWrite()
		}
		for _, w := range want {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				return fmt.Errorf("%s, %d: %w", w, how, err)
			}
			if got, err := io.ReadAll(resp.Body); string(got) != w || err != nil {
				return fmt.Errorf("%q in place of %q: %v", got, w, err)
			}
		}
		if how == 4 {
			break
		}
	}
	return nil
}

func TestConnectionsThatComeAndGoInAnyWayGetTheirOwnAnswersWhileTermsChange(t *testing.T) {
	h := start(t, reply, onLoops(t))
	most := 400
	if os.Getenv("LONG_TESTS") != "" {
		most = 4000
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	var ended atomic.Int64
	for one := range 16 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(one), uint64(time.Now().UnixNano())))
			for i := range most / 16 {
				if err := visitor(h.address, r, fmt.Sprintf("%d-%d", one, i)); err != nil {
					t.Error(err)
				}
				ended.Add(1)
			}
		})
	}
	all.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				terms := *h.Server.terms.Load()
				terms.Limits.IdleTimeout = time.Minute + time.Duration(i)*time.Second
				p, err := h.Prepare(terms)
				if err != nil {
					t.Error(err)
					return
				}
				p.Apply()
			}
		}
	})
	for ended.Load() < int64(most/16*16) && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	close(stop)
	all.Wait()
	for until := time.Now().Add(20 * time.Second); h.Connections() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d connections are left", h.Connections())
		}
	}
	h.backend.busy.Wait()
}

func TestAConnectionThatIsResetBetweenRequestsIsCountedOut(t *testing.T) {
	h := start(t, hello)
	c := h.visit()
	if resp, _, err := c.ask(plainGet); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	hangUp(c.Conn)
	for until := time.Now().Add(10 * time.Second); h.Connections() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it is still counted")
		}
	}
}

func TestHTTP2DoesNotBeginBehindARequestOfTheLane(t *testing.T) {
	h := start(t, hello, onLoops(t))
	c := h.dial()
	in := bufio.NewReader(c)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	if resp, err = http.ReadResponse(in, nil); err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("answered %v, %v; expected 400", resp, err)
	}
}

func TestAStopWaitsForAConnectionOnItsWayFromTheLane(t *testing.T) {
	o := Options{Address: "127.0.0.1:0", Terms: Terms{Terms: web.Terms{Limits: web.DefaultLimits()}}}
	onLoops(t)(&o)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	on := s.listenLane(&crowdAcceptor{Listener: s.socket, server: s})
	s.lane.Store(on)
	defer on.Close()
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n") // nothing for the lane
	moved := func() bool {
		return slices.ContainsFunc(s.clients.list(), func(c *client) bool { return c.waits.Load() == passing })
	}
	for until := time.Now().Add(10 * time.Second); !moved(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the lane keeps it")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*partingLook)
	defer cancel()
	if err := s.drainLane(ctx); err == nil {
		t.Error("the stop goes on before net/http has the connection")
	}
	taken, err := on.acceptUntil(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	taken.(*strictConn).below().note(http.StateNew)
	if err := s.drainLane(t.Context()); err != nil {
		t.Error(err)
	}
}

// backendOf is a fake whose Submit is another.
type backendOf struct {
	*fake
	submit func(x *protocol.Exchange) protocol.Ticket
}

func (b backendOf) Submit(x *protocol.Exchange) protocol.Ticket { return b.submit(x) }

func TestARequestThatLosesItsClientWhileItIsSubmittedIsCancelled(t *testing.T) {
	cancelled, over := make(chan struct{}), make(chan struct{})
	h := start(t, func(c *call) {
		select {
		case <-c.gone:
			close(cancelled)
		case <-over:
		}
	})
	defer close(over)
	terms := *h.Server.terms.Load()
	terms.Backend = backendOf{h.backend, func(x *protocol.Exchange) protocol.Ticket {
		h.clients.closeAll()
		return h.backend.Submit(x)
	}}
	h.change(terms)
	io.WriteString(h.dial(), plainGet)
	select {
	case <-cancelled:
	case <-time.After(10 * time.Second):
		t.Fatal("a worker still has it")
	}
}

func TestRequestsThatAreAnsweredAtOnceDoNotHoldUpOtherClients(t *testing.T) {
	h := start(t, hello)
	first, goOn := make(chan struct{}), make(chan struct{})
	terms := *h.Server.terms.Load()
	terms.Backend = backendOf{h.backend, func(x *protocol.Exchange) protocol.Ticket {
		switch x.Request.(*protocol.Request).Target {
		case "/second":
			close(first)
			<-goOn
			fallthrough
		case "/first":
			x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedQueueFull})
			x.Sink.Finished()
			return nil
		}
		return h.backend.Submit(x)
	}}
	h.change(terms)
	defer close(goOn)
	io.WriteString(h.dial(), "GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n")
	<-first
	for range runtime.GOMAXPROCS(0) { // each loop has one of these
		c := h.visit()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if resp, _, err := c.ask(plainGet); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%v, %v", resp, err)
		}
	}
}

func TestAConnectionThatIsResetAsTheLaneGivesItUpHarmsNothing(t *testing.T) {
	h := start(t, func(c *call) {
		if c.request.Remote == "" || strings.Contains(c.request.Remote, "6.6.6.6") {
			t.Errorf("a client at %q", c.request.Remote)
		}
		hello(c)
	}, func(o *Options) {
		o.Proxies = &guard.Proxies{Peers: guard.Peers{Unix: true}}
	}) // which is whoever has no address
	for i := range 400 {
		c := h.dial()
		io.WriteString(c, []string{ // which are not plain
			"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET / HTTP/1.0\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n",
		}[i%2])
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	h.get("/")
	for until := time.Now().Add(10 * time.Second); h.Connections() > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d connections are left", h.Connections())
		}
	}
	if text := h.logged.String(); strings.Contains(text, "mistake in the host") {
		t.Errorf("the log says %.2000s", text)
	}
}
