package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

var all = []string{protocol.PassAll, protocol.PassStatus}

// flush writes at once.
func flush(w http.ResponseWriter, text string) {
	io.WriteString(w, text)
	w.(http.Flusher).Flush()
}

func TestAnAnswerGoesOnAsItComes(t *testing.T) {
	next := make(chan struct{})
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h := w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Set-Cookie", "a=b")
		h.Set("Alt-Svc", "h3")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("X-Worker-Fetch", "{}")
		h.Set("X-Own", "theirs")
		h.Set("X-Model", "m")
		w.WriteHeader(201)
		flush(w, fmt.Sprintf("%s %s %s %s|", r.Method, r.URL, r.Header.Get("X-Asked"), body))
		<-next
		flush(w, "two|")
		<-next
	}, nil)
	c, _ := s.ask(protocol.Fetch{URL: "/v1/../v1/chat?q=1", Method: "POST", Headers: []string{"x-asked", "y",
		"Connection", "close", "Transfer-Encoding", "gzip"}, Pass: all, Context: protocol.Value("\xa3ctx"), Keep: 5},
		"body", "X-Own", "ours")
	c.has(t, "POST /v1/chat?q=1 y body|")
	next <- struct{}{}
	c.has(t, "POST /v1/chat?q=1 y body|two|")
	next <- struct{}{}
	c.ends(t)
	h := c.head.Headers
	if c.head.Status != 201 || valueOf(h, "Content-Type") != "text/event-stream" || valueOf(h, "X-Own") != "ours" ||
		valueOf(h, "X-Model") != "m" || !c.whole || c.failure != nil {
		t.Errorf("the client has %+v, whole: %v, %v", c.head, c.whole, c.failure)
	}
	for _, name := range []string{"Set-Cookie", "Alt-Svc", "Access-Control-Allow-Origin", "X-Worker-Fetch",
		"Connection"} {
		if v := valueOf(h, name); v != "" {
			t.Errorf("%s: %s goes on", name, v)
		}
	}
	m := s.hears()
	if m.End != protocol.FetchComplete || m.Status != 201 || string(m.Bytes) != "POST " || m.Length != 29 ||
		m.Request != "r-1" || string(m.Context) != "\xa3ctx" || len(m.ID) != 32 ||
		valueOf(m.Headers, "Set-Cookie") != "a=b" || m.Flags != protocol.FlagEnd {
		t.Errorf("FETCHED is %+v", m)
	}
}

func TestOnlyNamedFieldsOfTheHeadGoOn(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "br")
		w.Header().Set("Set-Cookie", "a=b")
		w.WriteHeader(404)
		io.WriteString(w, "x")
	}, nil)
	c, _ := s.ask(protocol.Fetch{URL: "/v1/", Pass: []string{"set-cookie"}}, "", "Content-Type", "text/plain")
	c.ends(t)
	h := c.head.Headers
	if c.head.Status != 200 || valueOf(h, "Content-Type") != "text/plain" || valueOf(h, "Set-Cookie") != "a=b" ||
		valueOf(h, "Content-Encoding") != "br" || valueOf(h, "Content-Length") != "1" || valueOf(h, "Date") != "" {
		t.Errorf("the client has %+v", c.head)
	}
	s.hears()
}

func TestTheLengthOfWhatDoesNotComeIsToldToAClientThatKnows(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "xyz") }, nil)
	for client, length := range map[string]string{"GET": "", "HEAD": "3"} {
		s.method = client
		c, _ := s.ask(protocol.Fetch{URL: "/v1/", Method: "HEAD", Pass: all}, "")
		c.ends(t)
		if got := valueOf(c.head.Headers, "Content-Length"); got != length || !c.whole || c.body.Len() > 0 {
			t.Errorf("%s: the client has %+v, %q", client, c.head, c.body.String())
		}
		s.hears()
	}
}

func TestWhatIsNotAllowedIsRefusedAndSaysSo(t *testing.T) {
	asked := false
	s := newStage(t, func(http.ResponseWriter, *http.Request) { asked = true }, func(set *Settings) {
		set.MaxBody = 4
		set.Secrets = map[string]Secret{"K": {Value: "s3cr3t", Header: "Authorization", Allow: set.Allow},
			"L": {Value: "l0st"}}
	})
	for _, c := range []struct {
		fetch protocol.Fetch
		body  string
		says  string
	}{
		{protocol.Fetch{URL: "/v2/x"}, "", "allow does not have it"},
		{protocol.Fetch{URL: "/v1/../x"}, "", "allow does not have it"},
		{protocol.Fetch{URL: "http://u:w0rd@127.0.0.1/v1/"}, "", "a user or a password"},
		{protocol.Fetch{URL: "file:///etc/passwd"}, "", "https://"},
		{protocol.Fetch{URL: "/v1/", Method: "get"}, "", "method"},
		{protocol.Fetch{URL: "/v1/", Method: "CONNECT"}, "", "method"},
		{protocol.Fetch{URL: "/v1/", Headers: []string{"Host", "x"}}, "", "Host"},
		{protocol.Fetch{URL: "/v1/" + strings.Repeat("x", mostURL)}, "", "16384 bytes"},
		{protocol.Fetch{URL: "/v1/", Context: make(protocol.Value, mostContext+1)}, "", "65536 bytes"},
		{protocol.Fetch{URL: "/v1/", Headers: []string{"A b", "x"}}, "", "token"},
		{protocol.Fetch{URL: "/v1/", Headers: []string{"X-Key", "{secret:K}"}}, "", "Authorization alone"},
		{protocol.Fetch{URL: "/v1/", Headers: []string{"Authorization", "{secret:M}"}}, "", "does not have"},
		{protocol.Fetch{URL: "/v1/", Headers: []string{"X", "{secret:L}"}}, "", "must not go"},
		{protocol.Fetch{URL: "/v1/", Headers: []string{"X", "{secret:L"}}, "", "without its end"},
		{protocol.Fetch{URL: "/v1/", Method: "POST"}, "12345", "max_body"},
	} {
		got, _ := s.ask(c.fetch, c.body)
		got.ends(t)
		if got.failure == nil || got.failure.Kind != protocol.FailedFetch ||
			!strings.Contains(got.failure.Detail, c.says) || got.head != nil ||
			!strings.Contains(s.log.String(), c.says) {
			t.Errorf("%+v: %v", c.fetch, got.failure)
		}
	}
	text := s.log.String()
	if asked || len(s.pool.told) > 0 || strings.Contains(text, "s3cr3t") || strings.Contains(text, "w0rd") ||
		strings.Contains(text, "of-the-client") {
		t.Errorf("asked: %v, told: %d\n%s", asked, len(s.pool.told), text)
	}
	if n := s.room.Counts().Refused; n[RefusedPlace] == 0 || n[RefusedForm] == 0 {
		t.Errorf("counted: %v", n)
	}
}

func TestASecretGoesIntoItsHeader(t *testing.T) {
	got := make(chan string, 1)
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Authorization") },
		func(set *Settings) {
			set.Secrets = map[string]Secret{"K": {Value: "s3cr3t", Header: "Authorization", Allow: set.Allow}}
		})
	c, _ := s.ask(protocol.Fetch{URL: "/v1/", Headers: []string{"authorization", "Bearer {secret:K}"}}, "")
	c.ends(t)
	if key := <-got; key != "Bearer s3cr3t" {
		t.Errorf("the other end has %q", key)
	}
	if m := s.hears(); strings.Contains(fmt.Sprintf("%+v", m), "s3cr3t") {
		t.Errorf("FETCHED has the secret: %+v", m)
	}
}

func TestANameThatLeadsToAPrivateAddressIsNotDialed(t *testing.T) {
	for _, networks := range [][]netip.Prefix{nil, loopback} {
		var port string
		s := newStage(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "here") },
			func(set *Settings) { set.Networks = networks })
		port = s.other.URL[strings.LastIndexByte(s.other.URL, ':'):]
		s.pool.terms.Allow = s.places("http://localhost" + port)
		c, _ := s.ask(protocol.Fetch{URL: "http://localhost" + port + "/", Pass: all}, "")
		c.ends(t)
		m := s.hears()
		switch {
		case networks == nil && (c.failure == nil || m.End != protocol.FetchRefused ||
			!strings.Contains(c.failure.Detail, "no public address")):
			t.Errorf("without networks: %v, %+v", c.failure, m)
		case networks != nil && (c.failure != nil || c.body.String() != "here"):
			t.Errorf("with networks: %v %q", c.failure, c.body.String())
		}
	}
}

func TestARedirectIsFollowedOnlyWhereItsTargetIsAllowed(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/v1/in", "/v1/keep", "/v1/out", "/v1/loop":
			w.Header().Set("Location", map[string]string{"/v1/in": "end", "/v1/keep": "/v1/end", "/v1/out": "/admin",
				"/v1/loop": "/v1/loop"}[r.URL.Path])
			w.WriteHeader(map[bool]int{true: 307, false: 302}[r.URL.Path == "/v1/keep"])
		default:
			fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
		}
	}, nil)
	for path, want := range map[string]string{"/v1/in": "200 GET /v1/end ", "/v1/keep": "200 POST /v1/end b",
		"/v1/out": "302 "} {
		c, _ := s.ask(protocol.Fetch{URL: path, Method: "POST", Pass: all}, "b")
		c.ends(t)
		if c.head == nil || fmt.Sprint(c.head.Status, " ", c.body.String()) != want {
			t.Errorf("%s: %+v %q, %v", path, c.head, c.body.String(), c.failure)
		}
		s.hears()
	}
	c, _ := s.ask(protocol.Fetch{URL: "/v1/loop"}, "")
	c.ends(t)
	if m := s.hears(); m.End != protocol.FetchRefused || c.failure == nil {
		t.Errorf("a loop: %+v, %v", m, c.failure)
	}
}

func TestARedirectToWhereASecretMustNotGoIsTheClients(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/v1/elsewhere", 302) }, nil)
	s.pool.terms.Secrets = map[string]Secret{"K": {Value: "s3cr3t", Allow: s.places(s.other.URL + "/v1/in")}}
	c, _ := s.ask(protocol.Fetch{URL: "/v1/in", Pass: all, Headers: []string{"X-Key", "{secret:K}"}}, "")
	c.ends(t)
	if m := s.hears(); m.End != protocol.FetchComplete || c.head == nil || c.head.Status != 302 ||
		valueOf(c.head.Headers, "Location") != "/v1/elsewhere" {
		t.Errorf("the client has %+v, %v; FETCHED is %+v", c.head, c.failure, m)
	}
}

func TestAnAnswerThatBreaksOffIsNotWhole(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		flush(w, "half")
		panic(http.ErrAbortHandler)
	}, nil)
	c, _ := s.ask(protocol.Fetch{URL: "/v1/", Pass: all, Keep: 10}, "")
	c.ends(t)
	m := s.hears()
	if c.whole || c.failure == nil || c.failure.Kind != protocol.FailedFetch || c.body.String() != "half" ||
		m.End != protocol.FetchBroke || m.Status != 200 || string(m.Bytes) != "half" {
		t.Errorf("%q, whole: %v, %v; %+v", c.body.String(), c.whole, c.failure, m)
	}
}

func TestAnAnswerOf101IsNone(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nx")
		io.Copy(io.Discard, conn) // ends when the room closes it
	}, nil)
	c, _ := s.ask(protocol.Fetch{URL: "/v1/", Pass: all}, "")
	c.ends(t)
	if m := s.hears(); c.head != nil || c.failure == nil || c.failure.Kind != protocol.FailedFetch ||
		m.End != protocol.FetchBroke || !strings.Contains(m.Reason, "101") {
		t.Errorf("the client has %+v, %v; FETCHED is %+v", c.head, c.failure, m)
	}
}

func TestAFetchHasItsTime(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/late" {
			flush(w, "x")
		}
		<-r.Context().Done()
	}, func(set *Settings) { set.FirstByte = 50 * time.Millisecond })
	c, _ := s.ask(protocol.Fetch{URL: "/v1/"}, "")
	c.ends(t)
	if m := s.hears(); m.End != protocol.FetchTimeout || m.Status != 0 ||
		c.failure.Kind != protocol.FailedFetchTimeout {
		t.Errorf("no first byte: %+v, %v", m, c.failure)
	}
	c, _ = s.ask(protocol.Fetch{URL: "/v1/late", Timeout: 50}, "")
	c.ends(t)
	if m := s.hears(); m.End != protocol.FetchTimeout || c.failure.Kind != protocol.FailedFetchTimeout {
		t.Errorf("no end: %+v, %v", m, c.failure)
	}
}

func TestAnAnswerThatIsTooLongIsCutOff(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("x", 5000)) },
		func(set *Settings) { set.MaxSize = 4999 })
	c, _ := s.ask(protocol.Fetch{URL: "/v1/"}, "")
	c.ends(t)
	if m := s.hears(); m.End != protocol.FetchLimit || c.whole || c.failure == nil {
		t.Errorf("%+v, whole: %v, %v", m, c.whole, c.failure)
	}
}

func TestAClientThatLeavesEndsTheFetch(t *testing.T) {
	left := make(chan struct{})
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		flush(w, "x")
		<-r.Context().Done()
		close(left)
	}, nil)
	c, ticket := s.ask(protocol.Fetch{URL: "/v1/"}, "")
	c.has(t, "x")
	ticket.Cancel(protocol.ResetCancelled)
	c.ends(t)
	<-left
	if m := s.hears(); m.End != protocol.FetchLeft || c.failure.Kind != protocol.FailedCancelled {
		t.Errorf("%+v, %v", m, c.failure)
	}
	if s.pool.cancelled > 0 {
		t.Error("its worker, which was done, was told")
	}
}

func TestTheClientsSpeedIsTheSources(t *testing.T) {
	const size = 4 << 20
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, size)) }, nil)
	f := protocol.Fetch{URL: s.other.URL + "/v1/", Method: "GET"}
	s.pool.answer = func(to protocol.Sink) {
		to.Respond(&protocol.Response{Flags: protocol.FlagEnd, Status: 200, Fetch: &f})
	}
	c := &client{stingy: true, came: make(chan struct{}, 1), done: make(chan struct{}),
		request: &protocol.Request{Method: "GET", Target: "/"}}
	s.room.Submit(&protocol.Exchange{Sink: c, Request: c.request})
	for sum := 0; sum < size; {
		<-c.came
		c.mu.Lock()
		n := c.body.Len()
		c.body.Reset()
		c.mu.Unlock()
		if n > window+largeRead {
			t.Fatalf("%d bytes wait for a client that takes none", n)
		}
		sum += n
		if n > 0 {
			c.stream.Consumed(n)
		}
	}
	c.ends(t)
	s.hears()
}

func TestNoMoreAreFetchedAtOnceThanMayBe(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		flush(w, "x")
		<-r.Context().Done()
	}, func(set *Settings) { set.PerHost = 2 })
	var tickets []protocol.Ticket
	for range 2 {
		c, ticket := s.ask(protocol.Fetch{URL: "/v1/"}, "")
		c.has(t, "x")
		tickets = append(tickets, ticket)
	}
	c, _ := s.ask(protocol.Fetch{URL: "/v1/"}, "")
	c.ends(t)
	if c.failure == nil || c.failure.Kind != protocol.FailedFetchCrowd ||
		s.room.Counts().Refused[RefusedCrowded] != 1 {
		t.Errorf("the third: %v", c.failure)
	}
	for _, ticket := range tickets {
		ticket.Cancel(protocol.ResetCancelled)
		s.hears()
	}
	if c, ticket := s.ask(protocol.Fetch{URL: "/v1/"}, ""); true {
		c.has(t, "x")
		ticket.Cancel(protocol.ResetCancelled)
		s.hears()
	}
}

func TestWhatIsKeptComesInPieces(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 10000)
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) }, nil)
	c, _ := s.ask(protocol.Fetch{URL: "/v1/", Keep: 1 << 30}, "")
	c.ends(t)
	if m := s.hears(); string(m.Bytes) != text || m.Flags != 0 || c.body.String() != text {
		t.Errorf("FETCHED has %d bytes of %d", len(m.Bytes), len(text))
	}
}

func TestAFetchedThatNobodyTakesIsInTheLog(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") }, nil)
	s.pool.failing = &protocol.Failure{Kind: protocol.FailedDied, Detail: "worker 1"}
	c, _ := s.ask(protocol.Fetch{URL: "/v1/?token=abc"}, "")
	c.ends(t)
	s.room.Close(context.Background(), time.Minute, 0)
	if text := s.log.String(); !strings.Contains(text, "no worker knows how this fetch ended") ||
		strings.Contains(text, "token=abc") {
		t.Errorf("the log has\n%s", text)
	}
}

func TestTheBodyOfTheRequestMayFollow(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d", len(body))
	}, nil)
	f := protocol.Fetch{URL: s.other.URL + "/v1/", Method: "PUT"}
	s.pool.answer = func(to protocol.Sink) {
		to.Respond(&protocol.Response{Status: 200, Fetch: &f, Body: make([]byte, 1000)})
		to.Data(&protocol.Data{Bytes: make([]byte, 60000)})
		to.Data(&protocol.Data{Bytes: make([]byte, 7), Flags: protocol.FlagEnd})
	}
	c, _ := s.submit()
	c.has(t, "61007")
	c.ends(t)
	s.hears()
	if s.pool.consumed != 60007 {
		t.Errorf("%d bytes were given back to the worker", s.pool.consumed)
	}

	s.pool.answer = func(to protocol.Sink) {
		to.Respond(&protocol.Response{Status: 200, Fetch: &f, Body: make([]byte, 1000)})
		to.Fail(&protocol.Failure{Kind: protocol.FailedDied})
	}
	c, _ = s.submit()
	c.ends(t)
	if c.failure == nil || c.failure.Kind != protocol.FailedDied || len(s.pool.told) > 0 {
		t.Errorf("a worker that died with it: %v", c.failure)
	}
}

func TestAClosedRoomEndsWhatGoesOn(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		flush(w, "x")
		<-r.Context().Done()
	}, nil)
	c, _ := s.ask(protocol.Fetch{URL: "/v1/"}, "")
	c.has(t, "x")
	s.room.Close(context.Background(), 0, time.Minute)
	c.ends(t)
	if s.hears(); c.failure == nil || c.failure.Kind != protocol.FailedStopping {
		t.Errorf("it ended with %v", c.failure)
	}
	c, _ = s.ask(protocol.Fetch{URL: "/v1/"}, "")
	if c.ends(t); c.failure == nil {
		t.Error("a closed room fetches")
	}
}

func TestOtherAnswersPassAsTheyAre(t *testing.T) {
	s := newStage(t, func(http.ResponseWriter, *http.Request) {}, nil)
	s.pool.answer = func(to protocol.Sink) {
		to.Respond(&protocol.Response{Status: 200, Body: []byte("a")})
		to.Data(&protocol.Data{Bytes: []byte("b"), Flags: protocol.FlagEnd})
	}
	c, ticket := s.submit()
	c.ends(t)
	if c.body.String() != "ab" || !c.whole || s.pool.consumed != 1 {
		t.Errorf("%q, whole: %v, consumed %d", c.body.String(), c.whole, s.pool.consumed)
	}
	if ticket.Cancel(protocol.ResetCancelled); s.pool.cancelled != 1 {
		t.Error("Cancel does not reach the pool")
	}
}

func TestAHeaderAsksForAFetchWhereItMay(t *testing.T) {
	for _, may := range []bool{true, false} {
		s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("X-Worker-Fetch", `{"url":"http://elsewhere/"}`)
			fmt.Fprintf(w, "%s %s %s", r.Method, r.Header["X-A"], body)
		}, func(set *Settings) { set.Header = may })
		s.pool.answer = func(to protocol.Sink) {
			to.Respond(&protocol.Response{Status: 201, Headers: []string{"Content-Type", "text/html",
				"Set-Cookie", "own=1", "Content-Length", "4", "x-worker-fetch", `{"url":"` + s.other.URL + `/v1/","method":"post",
				"headers":{"x-a":["b","c"]},"context":{"n":7,"f":1.5},"keep":3,"timeout":60}`}})
			to.Data(&protocol.Data{Bytes: []byte("body"), Flags: protocol.FlagEnd})
		}
		if got := hub.AsksForFetch(s.pool, &protocol.Response{Headers: []string{"x-worker-fetch", "{"}}); got != may {
			t.Errorf("whoever gets a response that nobody has taken is told %v, and not %v", got, may)
		}
		c, _ := s.submit()
		c.ends(t)
		if !may {
			if c.body.String() != "body" || len(s.pool.told) > 0 {
				t.Errorf("it was asked where it may not: %q", c.body.String())
			}
			continue
		}
		h := c.head.Headers
		if c.body.String() != "POST [b c] body" || c.head.Status != 200 ||
			valueOf(h, "Content-Type") != "text/event-stream" || valueOf(h, "Set-Cookie") != "own=1" ||
			valueOf(h, "X-Worker-Fetch") != "" || valueOf(h, "Content-Length") != "15" {
			t.Errorf("the client has %+v, %q", c.head, c.body.String())
		}
		if m := s.hears(); string(m.Bytes) != "POS" || string(m.Context) != "\x82\xa1f\xcb\x3f\xf8\x00\x00\x00\x00"+
			"\x00\x00\xa1n\x07" {
			t.Errorf("FETCHED is %+v", m)
		}
		for _, text := range []string{"", "{", "[]", `{"url":1}`, `{"url":"x"} {}`, `{"uri":"x"}`,
			`{"url":"x","keep":-1}`, `{"url":"x","headers":{"a":1}}`} {
			s.pool.answer = func(to protocol.Sink) {
				to.Respond(&protocol.Response{Flags: protocol.FlagEnd, Status: 200, Headers: []string{Header, text}})
			}
			c, _ := s.submit()
			if c.ends(t); c.failure == nil || !strings.Contains(c.failure.Detail, "not understood") {
				t.Errorf("%q: %v", text, c.failure)
			}
		}
	}
}

func TestWhatACanarySetsStays(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("Set-Cookie", "theirs=1")
	}, func(set *Settings) { set.Header = true })
	for control, want := range map[string]string{"max-age=1, Private": "max-age=1, Private",
		"no-cache": "public, max-age=60"} {
		s.pool.answer = func(to protocol.Sink) {
			to.Respond(&protocol.Response{Flags: protocol.FlagEnd, Status: 200, Headers: []string{
				"Cache-Control", control, "Set-Cookie", "arm=new",
				Header, `{"url":"` + s.other.URL + `/v1/","pass":["*","set-cookie"]}`}})
		}
		c, _ := s.submit()
		c.ends(t)
		s.hears()
		if h := c.head.Headers; valueOf(h, "Cache-Control") != want || !slices.Contains(h, "arm=new") ||
			!slices.Contains(h, "theirs=1") {
			t.Errorf("%s: the client has %q", control, h)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, text := range []string{`{"url":"https://a/","headers":{"A":["b"]},"context":{"n":[1,1.5,null]}}`, `{"url":1}`,
		`{"context":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}`, `{"timeout":1e300}`, `{"keep":9223372036854775807}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ask, err := readHeader(text)
		if err != nil {
			return
		}
		m := protocol.Response{Stream: 1, Status: 200, Fetch: ask}
		var again protocol.Response
		frame := m.AppendFrame(nil)
		if err := again.Parse(frame[4:]); err != nil || again.Fetch.Timeout < 0 || again.Fetch.Keep < 0 {
			t.Fatalf("%q is %+v, which the wire does not take: %v", text, ask, err)
		}
	})
}

func TestAWorkerAnswersWhereNothingCame(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		func(set *Settings) { set.Header = true })
	s.pool.failedToo = true
	f := protocol.Fetch{URL: s.other.URL + "/v1/", Method: "POST"}
	var asked []protocol.Request
	again := func(to protocol.Sink) {
		to.Respond(&protocol.Response{Status: 503, Body: []byte("we are ")})
		to.Data(&protocol.Data{Bytes: []byte("sorry"), Flags: protocol.FlagEnd})
	}
	s.pool.see = func(r *protocol.Request) {
		if asked = append(asked, *r); len(asked)%2 == 0 {
			s.pool.answer = again
		} else {
			s.pool.answer = func(to protocol.Sink) {
				to.Respond(&protocol.Response{Flags: protocol.FlagEnd, Status: 200, Fetch: &f})
			}
		}
	}
	c, _ := s.submit()
	c.ends(t)
	if c.head == nil || c.head.Status != 503 || c.body.String() != "we are sorry" || !c.whole || c.failure != nil {
		t.Errorf("the client has %+v %q, %v", c.head, c.body.String(), c.failure)
	}
	if c.begun != 1 {
		t.Errorf("its body was asked for %d times", c.begun)
	}
	if len(asked) != 2 || asked[1].Target != asked[0].Target || valueOf(asked[1].Headers, FailedHeader) == "" ||
		valueOf(asked[0].Headers, FailedHeader) != "" {
		t.Errorf("the worker was asked %+v", asked)
	}
	if m := s.hears(); m.End != protocol.FetchBroke || m.Status != 0 {
		t.Errorf("FETCHED is %+v", m)
	}
	if s.pool.consumed != 5 {
		t.Errorf("%d bytes were given back to the worker", s.pool.consumed)
	}

	for _, m := range []protocol.Response{{Fetch: &f}, {Headers: []string{"x-worker-fetch", `{"url":"x"}`}},
		{Headers: []string{Header, "{"}}, {Headers: []string{Header, `{"url":"x"}`, Header, `{"url":"x"}`}}} {
		m.Flags, m.Status, m.Body = protocol.FlagEnd, 200, []byte("for the other end")
		before := len(asked)
		again = func(to protocol.Sink) { to.Respond(&m) }
		c, _ = s.submit()
		c.ends(t)
		if s.hears(); c.failure == nil || c.failure.Kind != protocol.FailedFetch || c.head != nil ||
			len(asked) != before+2 {
			t.Errorf("a fetch after a fetch that failed: %+v, %v, asked %d times",
				c.head, c.failure, len(asked)-before)
		}
	}
}
