// Held responses over real sockets: what clients see of them, and what workers hear.

package listen

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// keeper is a switchboard that answers requests as its function says, with acts that take effect with DONE.
type keeper struct {
	*switchboard
	answer func(r *protocol.Request) (*protocol.Response, []protocol.Act)
	fail   *protocol.Failure // in place of DONE
	before func()            // DONE
	more   [][]byte          // first bytes that did not fit into RESPONSE
}

func (k *keeper) Submit(x *protocol.Exchange) protocol.Ticket {
	r, ok := x.Request.(*protocol.Request)
	if !ok {
		return k.switchboard.Submit(x)
	}
	t := &seat{gone: make(chan struct{})}
	meet()
	copied := *r
	copied.Headers = append([]string(nil), r.Headers...)
	k.busy.Go(func() {
		x.Sink.Begin(t)
		response, acts := k.answer(&copied)
		x.Sink.Respond(response)
		for _, p := range k.more {
			x.Sink.Data(&protocol.Data{Bytes: p})
		}
		if k.before != nil {
			k.before()
		}
		if k.fail != nil {
			x.Sink.Fail(k.fail)
		} else if err := k.hub.Apply(nil, acts); err != nil {
			panic(err)
		}
		x.Sink.Finished()
	})
	return t
}

func events(hold protocol.Hold, first string) *protocol.Response {
	return &protocol.Response{Flags: protocol.FlagDone, Status: 200,
		Headers: []string{"Content-Type", "text/event-stream; charset=utf-8", "Cache-Control", "no-store"},
		Body:    []byte(first), Hold: &hold}
}

// startHeld is a house whose workers hold every response in the group "news".
func startHeld(t testing.TB, change ...func(*keeper, *Options)) (*lines, *keeper) {
	t.Helper()
	k := &keeper{}
	k.answer = func(*protocol.Request) (*protocol.Response, []protocol.Act) {
		return events(protocol.Hold{Groups: []string{"news"}}, "retry: 1000\n\n"), nil
	}
	l := startLines(t, func(b *switchboard, o *Options) {
		k.switchboard = b
		b.traits.Events = protocol.Events{Close: true}
		o.Backend = k
		for _, f := range change {
			f(k, o)
		}
	})
	return l, k
}

func (l *lines) toNews(text string, flags ...protocol.Flags) {
	l.t.Helper()
	m := &protocol.Send{To: protocol.ToGroups, Names: []string{"news"}, Bytes: []byte(text)}
	for _, f := range flags {
		m.Flags |= f
	}
	if err := l.hub.Apply(nil, []protocol.Act{m}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lines) hangup(code int) {
	l.t.Helper()
	if err := l.hub.Apply(nil, []protocol.Act{
		&protocol.Hangup{To: protocol.ToAll, Code: code, Reason: "over"}}); err != nil {
		l.t.Fatal(err)
	}
}

// held waits until the hub has so many connections.
func (l *lines) held(n int) {
	l.t.Helper()
	for until := time.Now().Add(10 * time.Second); len(l.hub.List()) != n; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			l.t.Fatalf("the hub has %d connections, expected %d", len(l.hub.List()), n)
		}
	}
}

// reader is a client that reads what is sent to a held response.
type reader struct {
	t    testing.TB
	resp *http.Response
	body *bufio.Reader
	quit context.CancelFunc
}

func (l *lines) listen(client *http.Client, headers ...string) *reader {
	l.t.Helper()
	ctx, quit := context.WithCancel(context.Background())
	l.t.Cleanup(quit)
	scheme := "http://"
	if l.options.TLS != nil {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(ctx, "GET", scheme+l.address+"/news", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { resp.Body.Close() })
	return &reader{t: l.t, resp: resp, body: bufio.NewReader(resp.Body), quit: quit}
}

func (r *reader) expect(text string) {
	r.t.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(r.body, got); err != nil || string(got) != text {
		r.t.Fatalf("the client got %q, %v; expected %q", got[:n], err, text)
	}
}

func (r *reader) expectEnd() {
	r.t.Helper()
	if rest, err := io.ReadAll(r.body); err != nil || len(rest) > 0 {
		r.t.Fatalf("%q and %v came instead of the end", rest, err)
	}
}

// versions are those of HTTP, as clientsFor names them, and over has a listener speak one: HTTP/3 takes TLS, and the
// others are as they are without.
var versions = []string{"HTTP/1.1", "HTTP/2", "HTTP/3"}

func over(t testing.TB, version string) func(*keeper, *Options) {
	return func(_ *keeper, o *Options) {
		if version == "HTTP/3" {
			withTLS(t)(o)
		}
	}
}

func TestHeldResponseGetsWhatIsSentUntilItIsHungUp(t *testing.T) {
	for i := range 2*len(versions) - 1 { // and TLS, which HTTP/3 has anyway
		version, secure := versions[i%len(versions)], i >= len(versions)
		t.Run(fmt.Sprint(version, ", TLS ", secure), func(t *testing.T) {
			l, _ := startHeld(t, over(t, version), func(_ *keeper, o *Options) {
				if secure {
					withTLS(t)(o)
				}
			})
			r := l.listen(l.clientsFor()[version])
			if r.resp.StatusCode != 200 || r.resp.ContentLength >= 0 ||
				r.resp.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%s, length %d, %v", r.resp.Status, r.resp.ContentLength, r.resp.Header)
			}
			r.expect("retry: 1000\n\n")
			l.held(1)
			l.toNews("one")
			r.expect("data: one\n\n")
			l.toNews("two\nlines")
			l.toNews("id: 7\ndata: raw\n\n", protocol.FlagBinary)
			r.expect("data: two\ndata: lines\n\nid: 7\ndata: raw\n\n")
			big := strings.Repeat("x", 300<<10)
			l.toNews(big)
			r.expect("data: " + big + "\n\n")
			info := l.hub.List()[0]
			if info.Protocol != "sse" || info.MessagesOut != 4 || info.Pool != "web" || len(info.Groups) != 1 {
				t.Errorf("%+v", info)
			}
			l.toNews("bye")
			l.hangup(1000)
			r.expect("data: bye\n\n")
			r.expectEnd()
			if m := l.left(); m.Code != 1000 || !m.Clean || m.Connection.Protocol != "sse" {
				t.Errorf("CLOSE %+v", m)
			}
			l.held(0)
		})
	}
}

func TestClientThatLeavesAHeldResponseIsNoticedAtOnce(t *testing.T) {
	for _, version := range versions {
		l, _ := startHeld(t, over(t, version))
		r := l.listen(l.clientsFor()[version])
		r.expect("retry: 1000\n\n")
		l.held(1)
		r.quit()
		if m := l.left(); m.Code != 1006 || m.Clean {
			t.Errorf("CLOSE %+v", m)
		}
		l.held(0)
	}
}

func TestOldClientsGetAHeldResponseWithoutChunks(t *testing.T) {
	l, _ := startHeld(t)
	c := l.dial()
	io.WriteString(c, "GET /news HTTP/1.0\r\n\r\n")
	l.held(1)
	l.toNews("one")
	l.hangup(1000)
	b, err := io.ReadAll(c)
	if s := string(b); err != nil || !strings.HasPrefix(s, "HTTP/1.0 200 OK\r\n") ||
		!strings.HasSuffix(s, "\r\n\r\nretry: 1000\n\ndata: one\n\n") || strings.Contains(s, "chunked") {
		t.Errorf("%q, %v", b, err)
	}
}

func TestChunksOfAHeldResponseAreWellFormed(t *testing.T) {
	l, _ := startHeld(t)
	c := l.dial()
	io.WriteString(c, "GET /news HTTP/1.1\r\nHost: a\r\n\r\n")
	l.held(1)
	l.toNews("", protocol.FlagBinary) // would be the end
	l.toNews("one")
	l.hangup(1000)
	b, err := io.ReadAll(c)
	_, body, _ := strings.Cut(string(b), "\r\n\r\n")
	if body != "d\r\nretry: 1000\n\n\r\nb\r\ndata: one\n\n\r\n0\r\n\r\n" || err != nil ||
		!strings.Contains(string(b), "Connection: close\r\n") {
		t.Errorf("%q, %v", b, err)
	}
}

func TestLongPollEndsWithItsFirstMessageOrItsTime(t *testing.T) {
	for _, version := range versions {
		l, k := startHeld(t, over(t, version))
		k.answer = func(*protocol.Request) (*protocol.Response, []protocol.Act) {
			return &protocol.Response{Status: 200, Headers: []string{"Content-Type", "application/json"},
				Hold: &protocol.Hold{Groups: []string{"news"}, UID: "ada", Once: true}}, nil
		}
		r := l.listen(l.clientsFor()[version])
		l.held(1)
		l.toNews(`{"n":1}`)
		l.toNews(`{"n":2}`)
		r.expect(`{"n":1}`)
		r.expectEnd()
		if m := l.left(); m.Code != 1000 || !m.Clean || m.Connection.Protocol != "poll" || m.Connection.UID != "ada" {
			t.Errorf("CLOSE %+v", m)
		}
		k.answer = func(*protocol.Request) (*protocol.Response, []protocol.Act) {
			return &protocol.Response{Status: 200, Hold: &protocol.Hold{Timeout: 20}}, nil
		}
		r = l.listen(l.clientsFor()[version])
		r.expectEnd()
		if m := l.left(); m.Code != 1000 || !m.Clean {
			t.Errorf("CLOSE %+v", m)
		}
	}
}

// The client may not have seen its head yet.
func TestWhatIsSentRightAfterDoneIsNotLost(t *testing.T) {
	l, k := startHeld(t)
	k.answer = func(r *protocol.Request) (*protocol.Response, []protocol.Act) {
		return events(protocol.Hold{Groups: []string{"news"}}, ""), nil
	}
	for i := range 20 {
		c := l.dial()
		io.WriteString(c, "GET /news HTTP/1.1\r\nHost: a\r\n\r\n")
		l.held(i + 1)
		l.toNews(fmt.Sprint(i))
		in := bufio.NewReader(c)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		(&reader{t: t, body: bufio.NewReader(resp.Body)}).expect(fmt.Sprintf("data: %d\n\n", i))
	}
}

func TestHeldResponseBreaksOffIfItsHandlerFails(t *testing.T) {
	for _, version := range versions {
		head := make(chan struct{})
		l, _ := startHeld(t, over(t, version), func(k *keeper, _ *Options) {
			k.fail, k.before = &protocol.Failure{Kind: protocol.FailedReset, Detail: "it threw"}, func() { <-head }
		})
		r := l.listen(l.clientsFor()[version])
		close(head)
		if b, err := io.ReadAll(r.body); err == nil {
			t.Errorf("%q ended in good order", b)
		}
		l.held(0)
		if len(l.board.closed) > 0 {
			t.Error("CLOSE of a connection that never was")
		}
	}
}

func TestFirstBytesOfAHeldResponseMayTakeSeveralFrames(t *testing.T) {
	for _, version := range versions {
		part := strings.Repeat(": x\n", protocol.MaxData/4)
		l, _ := startHeld(t, over(t, version), func(k *keeper, _ *Options) {
			k.more = [][]byte{[]byte(part), []byte(part), []byte(": end\n\n")}
		})
		r := l.listen(l.clientsFor()[version])
		r.expect("retry: 1000\n\n" + part + part + ": end\n\n")
		l.held(1)
		l.toNews("then")
		r.expect("data: then\n\n")
	}
}

func TestHeadOfAHeldResponseGoesOutBeforeItsHandlerIsDone(t *testing.T) {
	for _, version := range versions {
		done := make(chan struct{})
		l, _ := startHeld(t, over(t, version), func(k *keeper, _ *Options) { k.before = func() { <-done } })
		r := l.listen(l.clientsFor()[version])
		r.expect("retry: 1000\n\n")
		l.held(0)
		close(done)
		l.held(1)
		l.toNews("now")
		r.expect("data: now\n\n")
	}
}

func TestClientThatLeavesBeforeDoneNeverWasAConnection(t *testing.T) {
	for _, version := range versions {
		done := make(chan struct{})
		l, _ := startHeld(t, over(t, version), func(k *keeper, _ *Options) { k.before = func() { <-done } })
		r := l.listen(l.clientsFor()[version])
		r.expect("retry: 1000\n\n")
		r.quit()
		time.Sleep(50 * time.Millisecond) // there is nothing to see of it
		close(done)
		l.board.busy.Wait()
		for until := time.Now().Add(5 * time.Second); len(l.hub.List()) > 0 &&
			time.Now().Before(until); time.Sleep(time.Millisecond) {
		}
		l.held(0)
	}
}

func TestResponseThatCantBeHeldIsA502AndSaysWhy(t *testing.T) {
	for want, change := range map[string]func(*protocol.Response){
		"no body":          func(m *protocol.Response) { m.Status = 204 },
		"Content-Length":   func(m *protocol.Response) { m.Headers = append(m.Headers, "Content-Length", "5") },
		"Content-Encoding": func(m *protocol.Response) { m.Headers = append(m.Headers, "Content-Encoding", "gzip") },
		"neither an end":   func(m *protocol.Response) { m.Flags |= protocol.FlagEnd },
		"group":            func(m *protocol.Response) { m.Hold.Groups = []string{""} },
	} {
		l, k := startHeld(t)
		k.answer = func(*protocol.Request) (*protocol.Response, []protocol.Act) {
			m := events(protocol.Hold{Groups: []string{"news"}}, "")
			change(m)
			return m, nil
		}
		resp, err := l.client.Get(l.url + "/news")
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if want != "group" && (err != nil || resp.StatusCode != 502) || !strings.Contains(l.logged.String(), want) {
			t.Errorf("%s: %v, %v\n%s", want, resp, err, l.logged.String())
		}
		if len(l.hub.List()) > 0 || len(l.board.closed) > 0 {
			t.Errorf("%s: it became a connection", want)
		}
	}
	l, _ := startHeld(t)
	if resp, _ := l.do("HEAD", "/news", nil); resp.StatusCode != 502 || !strings.Contains(l.logged.String(), "HEAD") {
		t.Errorf("HEAD was answered with %s", resp.Status)
	}
	if resp, _ := start(t, func(c *call) {
		c.say(func() { c.sink.Respond(events(protocol.Hold{}, "")) })
	}).get("/"); resp.StatusCode != 502 {
		t.Errorf("without a hub: %s", resp.Status)
	}
}

func TestHeldResponsesCountForTheirAddress(t *testing.T) {
	l, _ := startHeld(t, func(_ *keeper, o *Options) { o.Sockets.MaxPerAddress = 1 })
	r := l.listen(l.clientsFor()["HTTP/1.1"])
	r.expect("retry: 1000\n\n")
	if resp, _ := l.get("/news"); resp.StatusCode != 429 {
		t.Errorf("a second one was answered with %s", resp.Status)
	}
	r.quit()
	l.left()
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		n := l.server().peers.Count.Addresses()
		if n == 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatal("it still counts")
		}
	}
}

func (l *lines) server() *Server { return l.house.Server }

func TestEventStreamsGetHeartbeatsAndPollsDoNot(t *testing.T) {
	for _, version := range versions {
		l, k := startHeld(t, over(t, version), func(_ *keeper, o *Options) {
			o.Sockets.PingInterval = 20 * time.Millisecond
		})
		r := l.listen(l.clientsFor()[version])
		r.expect("retry: 1000\n\n:\n\n:\n\n")
		k.answer = func(*protocol.Request) (*protocol.Response, []protocol.Act) {
			return &protocol.Response{Status: 200, Hold: &protocol.Hold{Timeout: 100}}, nil
		}
		l.listen(l.clientsFor()[version]).expectEnd()
	}
}

func TestIdleHeldResponseIsEnded(t *testing.T) {
	l, _ := startHeld(t, func(_ *keeper, o *Options) {
		o.Sockets.IdleTimeout, o.Sockets.PingInterval = 60*time.Millisecond, 10*time.Millisecond
	})
	r := l.listen(l.clientsFor()["HTTP/1.1"])
	r.expect("retry: 1000\n\n:\n\n")
	if b, err := io.ReadAll(r.body); err != nil || strings.Trim(string(b), ":\n") != "" {
		t.Errorf("%q, %v", b, err)
	}
	if m := l.left(); m.Code != 1001 || m.Reason != "idle for too long" || !m.Clean {
		t.Errorf("CLOSE %+v", m)
	}
}

func TestSlowClientOfAHeldResponseIsCutByTheWriteTimeout(t *testing.T) {
	takesTime(t)
	for _, version := range versions {
		l, _ := startHeld(t, over(t, version), func(_ *keeper, o *Options) {
			o.Sockets.WriteTimeout, o.Sockets.SendBuffer = 100*time.Millisecond, 64<<20
		})
		r := l.listen(l.clientsFor()[version])
		r.expect("retry: 1000\n\n")
		l.held(1)
		for range 32 {
			l.toNews(strings.Repeat("x", 1<<20))
		}
		if m := l.left(); m.Code != 1006 || m.Clean {
			t.Errorf("%s: CLOSE %+v", version, m)
		}
		if _, err := io.Copy(io.Discard, r.body); err == nil {
			t.Error("its response ended in good order")
		}
	}
}

func TestShutdownEndsHeldResponsesAndDoesNotWaitForTheirTime(t *testing.T) {
	takesTime(t)
	for _, version := range versions {
		l, _ := startHeld(t, over(t, version))
		r := l.listen(l.clientsFor()[version])
		r.expect("retry: 1000\n\n")
		l.held(1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		ended := make(chan error, 1)
		go func() { ended <- l.Shutdown(ctx) }()
		r.expectEnd() // meanwhile: when the connection is closed, quic-go's client throws away what it has not read
		if err := <-ended; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		cancel()
		if m := l.left(); m.Code != 1001 || !m.Clean {
			t.Errorf("CLOSE %+v", m)
		}
	}
}

func TestReloadClosesNoHeldResponseAndDoesNotWaitForOne(t *testing.T) {
	for _, version := range versions {
		l, _ := startHeld(t, over(t, version))
		r := l.listen(l.clientsFor()[version])
		r.expect("retry: 1000\n\n")
		l.held(1)
		o := l.options
		o.Limits.MaxHeader *= 2 // another server of net/http
		p, err := l.Prepare(o.Terms)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.Apply():
		case <-time.After(5 * time.Second):
			t.Fatal("the terms before have not settled")
		}
		l.toNews("still here")
		r.expect("data: still here\n\n")
	}
}

func TestUploadThatGoesOnWhileItsResponseIsHeldIsIgnored(t *testing.T) {
	l, _ := startHeld(t) // bodies are passed on as they come
	c := l.dial()
	io.WriteString(c, "POST /news HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegun")
	l.held(1)
	io.WriteString(c, "and more")
	l.toNews("one")
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	(&reader{t: t, body: bufio.NewReader(resp.Body)}).expect("retry: 1000\n\ndata: one\n\n")
	c.(*net.TCPConn).CloseWrite()
	l.left()
}

func TestWhatAClientSaysWhileItsResponseIsHeldIsIgnored(t *testing.T) {
	l, _ := startHeld(t)
	c := l.dial()
	io.WriteString(c, "GET /news HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, body: bufio.NewReader(resp.Body)}
	r.expect("retry: 1000\n\n")
	for range 5 {
		io.WriteString(c, "GET /more HTTP/1.1\r\nHost: a\r\n\r\n")
		time.Sleep(2 * time.Millisecond)
		l.toNews("still here")
		r.expect("data: still here\n\n")
	}
	c.(*net.TCPConn).CloseWrite()
	l.left()
}

// TestAHeldResponseIsInTheAccessLogWhenItIsHeld and not when it ends, which may be much later. It is one line in
// either case.
func TestAHeldResponseIsInTheAccessLogWhenItIsHeld(t *testing.T) {
	for _, version := range versions {
		change, logged := withAccess(t, "access.json")
		l, _ := startHeld(t, over(t, version), func(_ *keeper, o *Options) { change(o) })
		r := l.listen(l.clientsFor()[version])
		r.expect("retry: 1000\n\n")
		l.held(1)
		l.toNews("more")
		r.expect("data: more\n\n") // its handler has let go by then
		if version != "HTTP/1.1" {
			r.quit() // cut, and yet no second line
			l.left()
		}
		time.Sleep(100 * time.Millisecond) // HTTP/1's handler returns after the client has been told
		all := logged()
		if len(all) != 1 || !strings.Contains(all[0], `"status":200,"bytes_in":0,"bytes_out":13,`) ||
			!strings.Contains(all[0], `"work_ms":`) || strings.Contains(all[0], "aborted") {
			t.Errorf("%s: %q", version, all)
		}
	}
}
