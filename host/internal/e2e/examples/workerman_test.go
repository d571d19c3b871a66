// Programs that were written for Workerman and GatewayWorker, which know nothing of this host.

package examples

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// on is the host at another of its addresses.
func on(h *harness.Host, address string) *harness.Host {
	other := *h
	other.Addr, other.URL = address, "http://"+address
	return &other
}

func TestAChatForGatewayWorkerOutlivesAReload(t *testing.T) {
	pages, sockets := harness.FreeAddress(t), harness.FreeAddress(t)
	t.Setenv("CHAT_PAGES", pages)
	t.Setenv("CHAT_SOCKETS", sockets)
	h := harness.StartWith(t, pages, filepath.Join(harness.Repository, "examples/workerman-chat/start.php"))
	if status, page := h.Get("/"); status != 200 ||
		!strings.Contains(page, sockets[strings.IndexByte(sockets, ':')+1:]) {
		t.Errorf("the page: %d\n%s", status, page)
	}
	chat := on(h, sockets)
	ada := chat.Upgrade("/", "Origin: http://"+pages)
	ada.Say(`{"join":"r","name":"Ada"}`)
	ada.Expect(`{"here":[]}`)
	bob := chat.Upgrade("/")
	bob.Say(`{"join":"r","name":"Bob"}`)
	bob.Expect(`{"here":["Ada"]}`)
	ada.Expect(`{"joined":"Bob"}`)

	if _, refused, err := chat.TryUpgrade("/", "Origin: http://evil.test"); err != nil || refused.StatusCode != 403 {
		t.Errorf("a page of another host: %v, %v", refused.Status, err)
	}
	h.Logs.Await(t, "allowed_origins")

	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				failed <- nil
				return
			default:
			}
			resp, err := http.Get(h.URL)
			if err == nil {
				if resp.Body.Close(); resp.StatusCode != 200 {
					err = fmt.Errorf("status %d", resp.StatusCode)
				}
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	h.Reload()
	close(stop)
	if err := <-failed; err != nil {
		t.Errorf("a request during the reload: %v", err)
	}
	bob.Say(`{"say":"still here"}`)
	ada.Expect(`{"from":"Bob","text":"still here"}`)
	bob.Expect(`{"from":"Bob","text":"still here"}`)
	bob.Leave(1000, "")
	ada.Expect(`{"left":"Bob"}`)
}

// workersOfEachKind starts the program that has a Worker of each kind, and returns their addresses too.
func workersOfEachKind(t *testing.T) (*harness.Host, map[string]string) {
	addresses := map[string]string{}
	for _, kind := range []string{"HTTP", "WEBSOCKET", "TEXT", "TCP", "FRAME", "OWN", "UDP", "GATEWAY"} {
		addresses[kind] = harness.FreeAddress(t)
		t.Setenv("WM_"+kind, addresses[kind])
	}
	return harness.StartWith(t, addresses["HTTP"], filepath.Join(harness.Repository,
		"host/internal/e2e/examples/testdata/workerman/start.php")), addresses
}

func TestWorkersOfEachKindRun(t *testing.T) {
	h, addresses := workersOfEachKind(t)
	requests(t, h)
	websockets(h, on(h, addresses["WEBSOCKET"]))
	text := harness.DialPeer(t, "tcp", addresses["TEXT"])
	text.Ask("abc\nde", "ABC\n")
	harness.DialPeer(t, "tcp", addresses["TCP"]).Ask("raw", "raw")
	text.Ask("\ncount\n", "DE\n1\n") // of this Worker alone, though neither has a name
	harness.DialPeer(t, "tcp", addresses["FRAME"]).Ask("\x00\x00\x00\x06ab\x00\x00\x00\x05c",
		"\x00\x00\x00\x07fab\x00\x00\x00\x06fc")
	own := harness.DialPeer(t, "tcp", addresses["OWN"])
	own.Ask("04ab0", "05oab")
	own.Ask("5cde", "06ocde")
	own.Ask("L2500000"+strings.Repeat("x", 2500000-8), "10o2500000")
	if _, err := own.Write([]byte("-1")); err != nil {
		t.Fatal(err)
	}
	if _, err := own.In.ReadByte(); err != io.EOF {
		t.Errorf("a client who breaks the protocol: %v", err)
	}
	long := harness.DialPeer(t, "tcp", addresses["OWN"])
	if _, err := long.Write([]byte("L4000000")); err != nil {
		t.Fatal(err)
	}
	if _, err := long.In.ReadByte(); err != io.EOF {
		t.Errorf("a client whose message is too long: %v", err)
	}
	h.Logs.Await(t, "set TcpConnection::$defaultMaxPackageSize")
	harness.DialPeer(t, "udp", addresses["UDP"]).Ask("q", "uq")
	at := on(h, addresses["GATEWAY"])
	s := at.Upgrade("/?q=1", "Cookie: c=2")
	s.Hear()
	s.Say("who")
	s.Expect(`[{"query":"1","cookie":"2","asked":1},"127.0.0.1",true,true]`)
	s.Say("who")
	s.Expect(`[{"query":"1","cookie":"2","asked":2},"127.0.0.1",true,true]`)
	s.Say(`["closeCurrentClient",["bye"]]`)
	s.Expect("bye")
	if code, _ := s.Ends(); code != 1000 {
		t.Errorf("closeCurrentClient() gave %d", code)
	}
	h.Logs.Await(t, "events begin in business")
	h.Logs.Await(t, "events end in business") // of the old process
	h.Logs.Await(t, "events of one are over: 1")
	gateway(t, at)
	h.Logs.Await(t, "the clock has struck")
}

// events opens a stream of server-sent events, and reads the first of them.
func events(t *testing.T, h *harness.Host) *bufio.Reader {
	resp, err := http.Get(h.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	in := bufio.NewReader(resp.Body)
	for _, want := range []string{"event: tick\n", "data: now\n", "\n", "event: tick\n"} {
		if line, err := in.ReadString('\n'); line != want || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	return in
}

func TestResponsesInPiecesComeAndEnd(t *testing.T) {
	h, _ := workersOfEachKind(t)
	left, err := http.Get(h.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	left.Body.Close()
	h.Logs.Await(t, "the listener has left")

	chunks := make(chan string, 1)
	begun, err := http.Get(h.URL + "/chunks")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer begun.Body.Close()
		text, err := io.ReadAll(begun.Body)
		chunks <- fmt.Sprint(string(text), err)
	}()
	in := events(t, h) // of the same process, once the chunks are whole
	if got := <-chunks; got != "begun 1 2 3<nil>" {
		t.Errorf("the chunks: %s", got)
	}
	h.Reload()
	if _, err := io.Copy(io.Discard, in); err != nil { // so that EventSource comes back, to the new code
		t.Errorf("the end of its process: %v", err)
	}

	in = events(t, h)
	_, pid := h.Get("/pid")
	id, _ := strconv.Atoi(pid)
	if process, err := os.FindProcess(id); err != nil || process.Kill() != nil {
		t.Fatal(pid, err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Errorf("the death of its process: %v", err)
	}
}

func requests(t *testing.T, h *harness.Host) {
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	ask := func(status int, want, method, path, body string, headers ...string) *http.Response {
		t.Helper()
		r, _ := http.NewRequest(method, h.URL+path, strings.NewReader(body))
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != status || want != "*" && string(got) != want {
			t.Errorf("%s %s: %d %q, expected %d %q", method, path, resp.StatusCode, got, status, want)
		}
		return resp
	}
	const form, multi = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
	ask(200, `["1","GET","a=1","t","x","127.0.0.1"]`, "GET", "/get?a=1", "", "X-Test", "t", "Cookie", "c=x")
	ask(200, `[{"a":"1","b":["2"]},"a=1&b[]=2",null]`, "POST", "/post", "a=1&b[]=2", "Content-Type", form)
	ask(200, `[{"a":1},"{\"a\":1}",null]`, "POST", "/post", `{"a":1}`, "Content-Type", "application/json")
	ask(200, `[{"a":"1"},"","n.txt"]`, "POST", "/post", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b\r\n"+
		"Content-Disposition: form-data; name=f; filename=n.txt\r\n\r\nx\r\n--b--\r\n", "Content-Type", multi)
	ask(200, "late", "GET", "/late", "")
	ask(500, "*", "POST", "/never", "")
	h.Logs.Await(t, "no timer is left that could send one")
	ask(200, "1", "GET", "/session", "")
	ask(200, "2", "GET", "/session", "")
	r := ask(201, "made", "GET", "/response", "")
	if r.Header.Get("X-A") != "b" || r.Header.Get("Set-Cookie") != "k=v" ||
		r.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%v", r.Header)
	}
	ask(200, "0123456789", "GET", "/file", "")
	ask(206, "234", "GET", "/part", "")
	ask(200, "bye", "GET", "/close", "")
	ask(404, "", "GET", "/nowhere", "")
	ask(500, "*", "POST", "/async", "")
	h.Logs.Await(t, "AsyncTcpConnection (to tcp://127.0.0.1:1) is not there under this host")
}

func websockets(h, at *harness.Host) {
	ada, bob := at.Upgrade("/?name=Ada"), at.Upgrade("/?name=Bob")
	ada.Say("x")
	ada.Expect(`["x",1,"Ada",{"a":1},null]`)
	ada.Say("object")
	h.Logs.Await(h.T, "$connection->object holds a DateTime, which can't travel")
	ada.Say("closure")
	h.Logs.Await(h.T, "set it on the Worker instead")
	bob.Say("mark")
	bob.Expect("marked")
	ada.Say("y")
	ada.Expect(`["y",2,"Ada",{"a":1},"by Bob"]`)
	bob.Say("all")
	ada.Expect("all from Bob")
	bob.Expect("all from Bob")
	h.Reload()
	ada.Say("z")
	ada.Expect(`["z",3,"Ada",{"a":1},"by Bob"]`)
	ada.Say("close")
	ada.Expect("closing")
	if code, _ := ada.Ends(); code != 1000 {
		h.T.Errorf("close() gave %d", code)
	}
	h.Logs.Await(h.T, "closed: Ada")
}

// gateway asks each method of GatewayWorker\Lib\Gateway.
func gateway(t *testing.T, h *harness.Host) {
	s, other := h.Upgrade("/"), h.Upgrade("/")
	id := strings.TrimPrefix(s.Hear(), "id ")
	them := strings.TrimPrefix(other.Hear(), "id ")
	for _, c := range []struct{ call, want, heard string }{
		{`["bindUid",[ID,7]]`, `null`, ""},
		{`["isUidOnline",[7]]`, `1`, ""},
		{`["isUidOnline",[8]]`, `0`, ""},
		{`["getUidByClientId",[ID]]`, `"7"`, ""},
		{`["getClientIdByUid",[7]]`, `[ID]`, ""},
		{`["getAllUidList",[]]`, `{"7":"7"}`, ""},
		{`["getAllUidCount",[]]`, `1`, ""},
		{`["isOnline",[ID]]`, `1`, ""},
		{`["isOnline",["nobody"]]`, `0`, ""},
		{`["joinGroup",[ID,"g"]]`, `null`, ""},
		{`["joinGroup",[THEM,"g"]]`, `null`, ""},
		{`["getClientIdCountByGroup",["g"]]`, `2`, ""},
		{`["getClientCountByGroup",["g"]]`, `2`, ""},
		{`["getClientIdListByGroup",["g"]]`, `{ID:ID,THEM:THEM}`, ""},
		{`["getUidListByGroup",["g"]]`, `{"7":"7"}`, ""},
		{`["getUidCountByGroup",["g"]]`, `1`, ""},
		{`["joinGroup",[THEM,"h"]]`, `null`, ""},
		{`["getClientIdListByGroup",[["g","h"]]]`, `{ID:ID,THEM:THEM}`, ""},
		{`["getClientIdListByGroup",[["h","none"]]]`, `{THEM:THEM}`, ""},
		{`["getUidListByGroup",[["g","h"]]]`, `{"7":"7"}`, ""},
		{`["getUidCountByGroup",[["h"]]]`, `0`, ""},
		{`["getAllGroupIdList",[]]`, `{"g":"g","h":"h"}`, ""},
		{`["leaveGroup",[THEM,"h"]]`, `null`, ""},
		{`["getAllGroupIdList",[]]`, `{"g":"g"}`, ""},
		{`["getAllGroupClientIdList",[]]`, `{"g":{ID:ID,THEM:THEM}}`, ""},
		{`["getAllGroupClientIdCount",[]]`, `{"g":2}`, ""},
		{`["getAllGroupUidList",[]]`, `{"g":{"7":"7"}}`, ""},
		{`["getAllGroupUidCount",[]]`, `{"g":1}`, ""},
		{`["setSession",[THEM,{"name":"B"}]]`, `true`, ""},
		{`["updateSession",[THEM,{"age":1}]]`, `true`, ""},
		{`["getSession",[THEM]]`, `{"name":"B","age":1}`, ""},
		{`["getSession",["nobody"]]`, `null`, ""},
		{`["setSession",[ID,{"own":1}]]`, `true`, ""},
		{`["getClientSessionsByGroup",["g"]]`, `{ID:{"own":1},THEM:{"name":"B","age":1}}`, ""},
		{`["getAllClientSessions",[]]`, `{ID:{"own":1},THEM:{"name":"B","age":1}}`, ""},
		{`["getClientSessionsByGroup",[""]]`, `[]`, ""},
		{`["setSocketSession",[THEM,"a:1:{s:4:\"name\";s:1:\"C\";}"]]`, `true`, ""},
		{`["getSession",[THEM]]`, `{"name":"C"}`, ""},
		{`["setSession",[THEM,{"name":"B","age":1}]]`, `true`, ""},
		{`["setBusinessWorker",[null]]`, `null`, ""},
		{`["getAllClientInfo",[]]`, `{ID:{"own":1},THEM:{"name":"B","age":1}}`, ""},
		{`["getClientInfoByGroup",["g"]]`, `{ID:{"own":1},THEM:{"name":"B","age":1}}`, ""},
		{`["getClientCountByGroup",[]]`, `2`, ""},
		{`["getAllClientIdCount",[]]`, `2`, ""},
		{`["getAllClientCount",[]]`, `2`, ""},
		{`["getAllClientIdList",[]]`, `{ID:ID,THEM:THEM}`, ""},
		{`["sendToAll",["all",null,[ID]]]`, `null`, "all"},
		{`["sendToAll",["some",[THEM]]]`, `null`, "some"},
		{`["sendToClient",[THEM,"one"]]`, `true`, "one"},
		{`["sendToGroup",["g","group",[ID]]]`, `true`, "group"},
		{`["sendToGroup",[["g","h"],"groups",[ID]]]`, `true`, "groups"},
		{`["sendToGroup",["","nobody"]]`, `false`, ""},
		{`["bindUid",[THEM,8]]`, `null`, ""},
		{`["sendToUid",[8,"user"]]`, `null`, "user"},
		{`["bindUid",[ID,9]]`, `null`, ""},
		{`["getUidByClientId",[ID]]`, `"9"`, ""},
		{`["bindUid",[ID,7]]`, `null`, ""},
		{`["unbindUid",[ID,7]]`, `null`, ""},
		{`["isUidOnline",[7]]`, `0`, ""},
		{`["leaveGroup",[THEM,"g"]]`, `null`, ""},
		{`["getClientIdCountByGroup",["g"]]`, `1`, ""},
		{`["ungroup",[""]]`, `false`, ""},
		{`["ungroup",["g"]]`, `true`, ""},
		{`["getClientIdCountByGroup",["g"]]`, `0`, ""},
		{`["closeClient",[THEM,"go"]]`, `true`, "go"},
	} {
		ids := strings.NewReplacer("ID", `"`+id+`"`, "THEM", `"`+them+`"`)
		s.Say("%s", ids.Replace(c.call))
		if c.heard != "" {
			other.Expect(c.heard)
		}
		var method string
		var got, want any
		said := s.Hear()
		if err := json.Unmarshal([]byte(said), &[]any{&method, &got}); err != nil ||
			json.Unmarshal([]byte(ids.Replace(c.want)), &want) != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %s, expected %s", c.call, said, ids.Replace(c.want))
		}
	}
	if code, _ := other.Ends(); code != 1000 {
		t.Errorf("closeClient() gave %d", code)
	}
	s.Say("mine")
	s.Expect("1")
	third := h.Upgrade("/")
	s.Say(`["destoryClient",["%s"]]`, strings.TrimPrefix(third.Hear(), "id "))
	if code, _ := third.Ends(); code != 1000 {
		t.Errorf("destoryClient() gave %d", code)
	}
}
