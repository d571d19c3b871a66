package fastcgi

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

func TestTheChildrenOfAMasterAreShownAsTheyAre(t *testing.T) {
	answer := `{"pool":"workerhost","processes":[
		{"pid":11,"state":"Idle","start since":60,"requests":3,"request duration":900,"request method":"GET",
			"request uri":"/x","last request memory":2097152},
		{"pid":12,"state":"Reading headers","start since":60,"requests":4,"request duration":90000000},
		{"pid":13,"state":"Running","start since":60,"requests":5,"request duration":90000000,
			"request method":"GET","request uri":"/index.php?token=x"},
		{"pid":14,"state":"Running","start since":60,"requests":6,"request duration":2000000,
			"request method":"POST","request uri":"/after.php"}]}`
	status := serveFake(t, answerEach(func(a asked) []byte {
		if a.params["SCRIPT_NAME"] != "/status" || a.params["QUERY_STRING"] != "json&full" || a.keep {
			t.Errorf("asked %v", a.params)
		}
		return page("Content-Type: application/json\r\n\r\n" + answer)
	}))
	a, _ := newAdapter(t, Address{})
	r := get("/slow?token=x")
	a.atHand[r] = visit{time.Now().Add(-5 * time.Second), "/index.php"} // the connection has been kept for longer
	w := &worker{adapter: a, status: status.Name, children: 4}
	got := w.Children(t.Context())
	if len(got) != 4 {
		t.Fatalf("%+v", got)
	}
	if c := got[0]; c.PID != 11 || c.Busy || c.Requests != 3 || c.Uptime != time.Minute || c.Peak != 2<<20 ||
		c.Request != "" || c.Running != 0 {
		t.Errorf("an idle one: %+v", c)
	}
	if c := got[1]; c.Busy {
		t.Errorf("one that waits for a request on a kept connection: %+v", c)
	}
	if c := got[2]; !c.Busy || c.Request != "GET /slow" || c.Running.Round(time.Second) != 5*time.Second {
		t.Errorf("one at work: %+v", c)
	}
	if c := got[3]; !c.Busy || c.Request != "POST /after.php" || c.Running != 2*time.Second {
		t.Errorf("one whose client has its answer: %+v", c)
	}
}

func TestAMasterThatDoesNotTellIsNotWaitedFor(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	silent := serveFake(t, func(*net.UnixConn) { <-release })
	garbage := serveFake(t, answerEach(func(asked) []byte { return page("\r\n{\"processes\":[{") }))
	many := serveFake(t, answerEach(func(asked) []byte { return page("\r\n{\"processes\":[{},{},{}]}") }))
	endless := serveFake(t, func(c *net.UnixConn) {
		for err := error(nil); err == nil; {
			_, err = c.Write(appendStream(nil, typeStdout, make([]byte, 8<<10)))
		}
	})
	a, _ := newAdapter(t, Address{})
	for _, status := range []string{silent.Name, garbage.Name, many.Name, endless.Name, "/nowhere", ""} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if got := (&worker{adapter: a, status: status, children: 2}).Children(ctx); got != nil {
			t.Errorf("%s: %+v", status, got)
		}
		cancel()
	}
}

func TestAChildsRequestIsNamedAsFarAsItIsKnown(t *testing.T) {
	a, _ := newAdapter(t, Address{})
	long := strings.Repeat("a", 300)
	for i, target := range []string{"/a", "/a", "/b?x", "/c?x", "/long?" + long} {
		a.atHand[get(target)] = visit{time.Now().Add(-time.Duration(i+1) * time.Minute), "/index.php"}
	}
	for _, c := range []struct {
		uri     string
		alike   int
		request string
		minutes time.Duration
	}{
		{"/index.php", 1, "GET /a", 2},
		{"/index.php", 2, "GET /a", 2},
		{"/index.php", 3, "GET /index.php", 60}, // of one of them the client has its answer
		{"/index.php?x", 2, "GET /index.php", 4},
		{"/index.php?" + long[:200], 1, "GET /long", 5},
		{"/index.php?" + long[:20], 1, "GET /index.php", 60},
		{"/other.php", 1, "GET /other.php", 60},
	} {
		p := fpmProcess{Method: "GET", URI: c.uri, Duration: time.Hour.Microseconds()}
		request, running := a.atWork(&p, c.alike)
		if request != c.request || running.Round(time.Minute) != c.minutes*time.Minute {
			t.Errorf("%.30s of %d: %q for %v", c.uri, c.alike, request, running)
		}
	}
}
