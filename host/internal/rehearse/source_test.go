package rehearse

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
)

// read gives "METHOD host target ×times" of each request, and what was left out.
func read(t *testing.T, text string, methods ...string) string {
	t.Helper()
	s, err := Read(strings.NewReader(text), append(methods, "GET", "HEAD"))
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, r := range s.Requests {
		all = append(all, fmt.Sprintf("%s %s%s ×%d", r.Method, r.Host, r.Target, r.Times))
	}
	return strings.Join(all, "; ") + " | " + Counts(s.Left)
}

func TestRequestsAreFoundInLogsOfEveryFormat(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"common": {`127.0.0.1 - ada [10/Oct/2000:13:55:36 -0700] "GET /a?b=1 HTTP/1.0" 200 2326`,
			"GET /a?b=1 ×1 | "},
		"combined of nginx": {`::1 - - [10/Oct/2000:13:55:36 -0700] "HEAD /a HTTP/1.1" 200 12 "http://x/\"y" "Mozilla \x22"`,
			"HEAD /a ×1 | "},
		"vhost_combined of Apache": {`shop.example:443 192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 1 ` +
			`"-" "-"`, "GET shop.example/a ×1 | "},
		"this host's": {`192.0.2.1 - - [29/Nov/2026:02:10:17 +0000] "GET /\xc3\xa9 HTTP/1.1" 200 5 "-" "curl" in=0 ` +
			`took=1.000 pool=web`, "GET /\xc3\xa9 ×1 | "},
		"this host's JSON": {`{"log":"access","time":"2026","remote":"192.0.2.1:5","method":"GET","host":"a.example",` +
			`"target":"/x?y=1","protocol":"HTTP/1.1","status":200}`, "GET a.example/x?y=1 ×1 | "},
		"Caddy": {`{"level":"info","logger":"http.log.access","request":{"remote_ip":"::1","proto":"HTTP/2.0",` +
			`"method":"GET","host":"a.example","uri":"/x?y=1","headers":{"Accept":["*/*"]}},"status":200}`,
			"GET a.example/x?y=1 ×1 | "},
		"nginx in JSON": {`{"request":"GET /x HTTP/1.1","http_host":"a.example","status":"200"}`,
			"GET a.example/x ×1 | "},
		"nginx's variables": {`{"request_method":"GET","request_uri":"/x","host":"a.example","status":200}`,
			"GET a.example/x ×1 | "},
		"Traefik": {`{"RequestMethod":"GET","RequestPath":"/x","RequestHost":"a.example","DownstreamStatus":200}`,
			"GET a.example/x ×1 | "},
		"URLs": {"# pages\nhttps://a.example/x\n/y#top\n\nHEAD /z\nhttps://b.example\n",
			"GET a.example/x ×1; GET /y ×1; HEAD /z ×1; GET b.example/ ×1 | "},
		"the same again":  {"/a\n/b\n/a\n/a\n", "GET /a ×3; GET /b ×1 | "},
		"what is unsafe":  {"/a\nPOST /b\nDELETE /c\n", "GET /a ×1 | method 2"},
		"what has ended":  {`x "GET /ws HTTP/1.1" 101 0` + "\n/a", "GET /a ×1 | upgrade 1"},
		"secrets":         {"/a?token=REDACTED\n/a?page=1\n", "GET /a?page=1 ×1 | masked 1"},
		"garbage between": {"\x00\x01\n\"\\x16\\x03\" 400\n/a\n{\"x\":\n* \n", "GET /a ×1 | unreadable 4"},
		"nothing":         {"\n\n", "it is empty"},
		"only garbage": {"Lorem ipsum\n", "no request was found in it: it is neither an access log (the combined or " +
			"common format, JSON lines of Caddy, of nginx or of this host), nor a list of URLs, nor a HAR file"},
		"nothing safe": {"POST /a\n", "none of its requests can be asked again: method 1"},
	} {
		if got := read(t, c.text); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

func TestMoreMethodsAreTakenIfToldSo(t *testing.T) {
	if got := read(t, "POST /a\nPUT /b", "POST"); got != "POST /a ×1 | method 1" {
		t.Error(got)
	}
}

func TestALogMayBeCompressed(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprintln(w, "/a")
	w.Close()
	if got := read(t, packed.String()); got != "GET /a ×1 | " {
		t.Error(got)
	}
}

const har = `{"log": {"version": "1.2", "entries": [
 {"request": {"method": "GET", "url": "https://a.example/x?y=1#z", "headers": [
   {"name": "Accept", "value": "text/html"}, {"name": "Cookie", "value": "sid=1"},
   {"name": "Authorization", "value": "Bearer x"}]}, "response": {"status": 200}},
 {"request": {"method": "GET", "url": "wss://a.example/ws", "headers": []}, "response": {"status": 101}},
 {"request": {"method": "POST", "url": "https://a.example/form", "headers": [],
   "postData": {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a", "value": "b c"}]}}},
 {"request": {"method": "GET", "url": "data:text/plain,x", "headers": []}}
]}}`

func TestAHARFileGivesNoCredentials(t *testing.T) {
	s, err := Read(strings.NewReader("\ufeff"+har), []string{"GET", "POST"})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Requests) != 2 || s.Entries != 4 || !maps.Equal(s.Left, map[string]int{LeftUnreadable: 2}) {
		t.Fatalf("%+v", s)
	}
	if got := fmt.Sprint(s.Requests[0].Headers); got != "[Accept text/html]" || s.Requests[0].Target != "/x?y=1" {
		t.Errorf("%s of %+v", got, s.Requests[0])
	}
	if got := string(s.Requests[1].Body); got != "a=b+c" {
		t.Errorf("%q", got)
	}
	if _, err := Read(strings.NewReader(`{"log": {"entries": 3}}`), nil); err == nil {
		t.Error("what begins as a HAR file and is none was read")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(har)
	f.Add(`::1 - - [10/Oct/2000:13:55:36 -0700] "HEAD /a\x22 HTTP/1.1" 200 12 "-" "-"`)
	f.Add(`{"request":{"method":"GET","host":"a.example","uri":"/x"},"status":200}`)
	f.Add("GET https://a.example/x\n/y\n")
	f.Add("\x1f\x8b\x08")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Read(strings.NewReader(text), []string{"GET", "HEAD"})
		if err != nil {
			return
		}
		for _, r := range s.Requests {
			if r.Method != "GET" && r.Method != "HEAD" || r.Target[0] != '/' ||
				strings.ContainsAny(r.Target, " \r\n") {
				t.Fatalf("%+v", r)
			}
		}
		if picked := Pick(s.Requests, 10); len(picked) != min(10, len(s.Requests)) {
			t.Fatalf("%d of %d are picked", len(picked), len(s.Requests))
		}
	})
}

func TestRoutesAreTheirPathsWithoutWhatIsOnlyOfOnePage(t *testing.T) {
	for target, want := range map[string]string{
		"/":               "/",
		"/article/12":     "/article/{n}",
		"/article-12.htm": "/article-{n}.htm",
		"/2026/11/29/x":   "/{n}/{n}/{n}/x",
		"/v1/users/550e8400-e29b-41d4-a716-446655440000": "/v1/users/{id}",
		"/assets/app.3f2a91bc.js":                        "/assets/app.{id}.js",
		"/o/01ARZ3NDEKTSV4RRFFQ69G5FAV":                  "/o/{id}",
		"/list?page=2&sort=a&page=3":                     "/list?page&sort",
		"/list?a[1]=x":                                   "/list?a[1]",
	} {
		if got := Routes([]Request{{Method: "GET", Target: target}})[0]; got != "GET "+want {
			t.Errorf("%s is %s", target, got)
		}
	}
}

func TestManyNamesInOnePlaceAreOneRoute(t *testing.T) {
	var all []Request
	for i := range manyNames + 1 {
		name := strings.Repeat(string(rune('a'+i)), 3)
		all = append(all, Request{Method: "GET", Target: "/blog/" + name + "/print"},
			Request{Method: "GET", Target: "/css/" + name + ".css"})
	}
	all = append(all, Request{Method: "GET", Target: "/about"})
	seen := map[string]bool{}
	for _, route := range Routes(all) {
		seen[route] = true
	}
	if len(seen) != 3 || !seen["GET /blog/{…}/print"] || !seen["GET /css/{…}.css"] || !seen["GET /about"] {
		t.Error(seen)
	}
}

func TestAllRoutesAreAskedBeforeOneIsAskedTwice(t *testing.T) {
	all := []Request{{Method: "GET", Target: "/a/1", Times: 1}, {Method: "GET", Target: "/a/2", Times: 9},
		{Method: "GET", Target: "/a/3", Times: 5}, {Method: "GET", Target: "/rare", Times: 1}}
	var got []string
	for _, p := range Pick(all, 3) {
		got = append(got, p.Target)
	}
	if fmt.Sprint(got) != "[/a/2 /rare /a/3]" {
		t.Error(got)
	}
}

// Whoever asks for long addresses writes the log.
func TestLongAddressesFillNoMemory(t *testing.T) {
	long := strings.Repeat("x", 256<<10)
	in, out := io.Pipe()
	go func() {
		for n := range 400 {
			fmt.Fprintf(out, "/%s%d\n", long, n)
		}
		out.Close()
	}()
	s, err := Read(in, []string{"GET"})
	if err != nil {
		t.Fatal(err)
	}
	bytes := 0
	for _, r := range s.Requests {
		bytes += len(r.Target)
	}
	if bytes > mostBytes || bytes < mostBytes/2 || len(s.Requests)+s.Left[LeftRoom] != 400 {
		t.Errorf("it keeps %d requests of %d bytes, and leaves out %v", len(s.Requests), bytes, s.Left)
	}
}
