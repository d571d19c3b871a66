package canary

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// fake is a backend that answers at once, or fails.
type fake struct {
	name    string
	fails   protocol.FailureKind // 0 answers
	begins  bool                 // before it fails
	headers []string
	status  int
	logs    bool // an error
	asked   int
	given   []string // the headers of the latest request
	traits  protocol.Traits
}

func (f *fake) Traits() protocol.Traits { return f.traits }

func (f *fake) Submit(x *protocol.Exchange) protocol.Ticket {
	f.asked++
	switch m := x.Request.(type) {
	case *protocol.Request:
		f.given = m.Headers
	case *protocol.Open:
		if m.Request != nil {
			f.given = m.Request.Headers
		}
	}
	if f.fails == 0 || f.begins {
		x.Sink.Begin(nil)
	}
	if f.logs {
		x.ErrorLogged(&protocol.LoggedError{})
	}
	if f.fails != 0 {
		x.Sink.Fail(&protocol.Failure{Kind: f.fails})
	} else if x.Request.Type() == protocol.TypeRequest {
		status := f.status
		if status == 0 {
			status = 200
		}
		x.Sink.Respond(&protocol.Response{Status: status, Headers: f.headers, Body: []byte(f.name),
			Flags: protocol.FlagEnd})
	}
	x.Sink.Finished()
	return nowhere{}
}

type nowhere struct{}

func (nowhere) Cancel(protocol.ResetCode) {}

// heard is what a front hears.
type heard struct {
	response protocol.Response
	by       string
	failure  protocol.FailureKind
	finished int
}

func (h *heard) Begin(protocol.Stream)   {}
func (h *heard) Writable()               {}
func (h *heard) Inform(*protocol.Inform) {}
func (h *heard) Respond(m *protocol.Response) {
	h.response, h.by = *m.Clone(), string(m.Body)
}
func (h *heard) Data(*protocol.Data)        {}
func (h *heard) Fail(err *protocol.Failure) { h.failure = err.Kind }
func (h *heard) Finished()                  { h.finished++ }

func (h *heard) header(name string) (all []string) {
	for i := 0; i+1 < len(h.response.Headers); i += 2 {
		if strings.EqualFold(h.response.Headers[i], name) {
			all = append(all, h.response.Headers[i+1])
		}
	}
	return all
}

type bench struct {
	*Splitter
	trial                      *Trial
	stable, control, candidate *fake
}

func newBench(s Settings, share float64) *bench {
	b := &bench{stable: &fake{name: "stable"}, control: &fake{name: "control"}, candidate: &fake{name: "candidate"}}
	b.Splitter = NewSplitter(b.stable)
	if s.By == "" {
		s.By = "cookie"
	}
	b.trial = NewTrial(s, b.control, b.candidate, []string{"/old", "/new"})
	b.trial.SetShare(share)
	b.Divide(b.trial)
	return b
}

func (b *bench) ask(headers ...string) *heard {
	h := &heard{}
	b.Submit(&protocol.Exchange{Sink: h, Repeatable: true, Request: &protocol.Request{Method: "GET",
		Target: "/page?x=1", Scheme: "https", Remote: "192.0.2.1:4711", Headers: headers}})
	return h
}

// jar is the cookie that a response sets, for the next request.
func (h *heard) jar() string {
	for _, line := range h.header("Set-Cookie") {
		if value, ok := strings.CutPrefix(line, CookieName+"="); ok {
			value, _, _ = strings.Cut(value, ";")
			return CookieName + "=" + value
		}
	}
	return ""
}

func TestAClientWithACookieStaysWhereItWas(t *testing.T) {
	b := newBench(Settings{}, 0.2)
	count := map[string]int{}
	for range 2000 {
		first := b.ask()
		count[first.by]++
		jar := first.jar()
		if jar == "" {
			t.Fatal("a client without a cookie was given none")
		}
		for range 3 {
			if next := b.ask("Cookie", "a=b; "+jar+"; c=d"); next.by != first.by || next.jar() != "" {
				t.Fatalf("a client of %s came to %s, and was given %q", first.by, next.by, next.jar())
			}
		}
	}
	for name, want := range map[string]int{"stable": 1200, "control": 400, "candidate": 400} {
		if n := count[name]; n < want-120 || n > want+120 {
			t.Errorf("%d of 2000 clients came to %s, where %d are meant to", n, name, want)
		}
	}
}

func TestAGreaterShareMovesNobodyAwayFromTheNewCode(t *testing.T) {
	b := newBench(Settings{}, 0.1)
	jars := map[string]string{}
	for range 300 {
		first := b.ask()
		jars[first.jar()] = first.by
	}
	b.trial.SetShare(0.5)
	for jar, by := range jars {
		if now := b.ask("Cookie", jar).by; by != "stable" && now != by {
			t.Fatalf("a client of %s came to %s", by, now)
		}
	}
}

func TestACookieThatWasMadeUpIsNone(t *testing.T) {
	b := newBench(Settings{}, 0.5)
	jar := b.ask().jar()
	other := newBench(Settings{}, 0.5)
	for _, forged := range []string{CookieName + "=", CookieName + "=AAAA", jar + "AA", jar[:len(jar)-2] + "__",
		other.ask().jar()} {
		if b.ask("Cookie", forged).jar() == "" {
			t.Errorf("%s was taken for a cookie", forged)
		}
	}
}

func TestAnAnswerWithTheCookieIsNoSharedCaches(t *testing.T) {
	b := newBench(Settings{Memory: time.Minute}, 0.5)
	for _, c := range []struct{ has, want string }{
		{"", "private"},
		{"public, max-age=60, s-maxage=600", "private, max-age=60"},
		{"no-store", "private, no-store"},
		{"Private", "private"},
	} {
		for _, f := range []*fake{b.candidate, b.control} {
			f.headers = []string{"Content-Type", "text/plain"}
			if c.has != "" {
				f.headers = append(f.headers, "cache-control", c.has)
			}
		}
		h := b.ask()
		for h.by == "stable" {
			h = b.ask()
		}
		if got := h.header("Cache-Control"); len(got) != 1 || got[0] != c.want {
			t.Errorf("Cache-Control %q became %q", c.has, got)
		}
		if got := h.header("Set-Cookie"); len(got) != 1 || !strings.Contains(got[0], "; Secure") ||
			!strings.Contains(got[0], "Max-Age=61; HttpOnly; SameSite=Lax") {
			t.Errorf("Set-Cookie %q", got)
		}
		again := b.ask("Cookie", h.jar()) // new code stays out of shared caches, and old code may come into them
		if got := again.header("Cache-Control"); again.by == "candidate" && got[0] != c.want ||
			again.by == "control" && c.has != "" && got[0] != c.has {
			t.Errorf("of the %s that knows the client, Cache-Control %q became %q", again.by, c.has, got)
		}
		if len(b.candidate.headers) > 4 {
			t.Error("the worker's own headers were changed")
		}
	}
}

func TestWhoeverKnowsTheSecretChooses(t *testing.T) {
	b := newBench(Settings{Secret: "correct horse battery"}, 0.1)
	for _, want := range []string{"stable", "control", "candidate"} {
		for range 20 {
			if h := b.ask(ForceName, want+":correct horse battery"); h.by != want || h.jar() != "" {
				t.Fatalf("%s was asked for, and %s answered", want, h.by)
			}
			if h := b.ask("Cookie", "worker_generation="+want+":correct horse battery"); h.by != want {
				t.Fatalf("%s was asked for by a cookie, and %s answered", want, h.by)
			}
		}
	}
	if e := b.trial.Evidence(); len(e.Clients) != 0 {
		t.Errorf("%d clients that chose are evidence", len(e.Clients))
	}
	all := map[string]bool{}
	for range 200 {
		all[b.ask(ForceName, "candidate:wrong").by] = true
	}
	if !all["stable"] {
		t.Error("a wrong secret chose")
	}
	none := newBench(Settings{}, 0)
	if h := none.ask(ForceName, "candidate:"); h.by != "stable" {
		t.Error("an empty secret chose where there is none")
	}
}

func TestTheSecretReachesNoBackend(t *testing.T) {
	b := newBench(Settings{Secret: "correct horse"}, 0.1)
	none := newBench(Settings{}, 0)
	ended := newBench(Settings{Secret: "correct horse"}, 0.1)
	ended.Close()
	ended.End()
	never := NewSplitter(&fake{})
	never.Conceal()
	for _, c := range []struct {
		at                *bench
		arm, given, wants string // headers, with | between their names and values
	}{
		{b, "candidate", "Accept|*/*|X-Worker-Generation|candidate:correct horse|Host|a", "Accept|*/*|Host|a"},
		{b, "control", "x-worker-generation|control:correct horse", ""},
		{b, "candidate", "Cookie|worker_generation=candidate:correct horse|Accept|*/*", "Accept|*/*"},
		{b, "candidate", "Cookie|a=1; worker_generation=candidate:correct horse;b=2", "Cookie|a=1; b=2"},
		{b, "", "X-Worker-Generation|candidate:correct hoarse|Accept|*/*", "Accept|*/*"},
		{b, "", "Cookie|a=1;b=worker_generation", "Cookie|a=1;b=worker_generation"},
		{none, "stable", "X-Worker-Generation|its own", "X-Worker-Generation|its own"},
		{ended, "stable", "Cookie|worker_generation=candidate:correct horse|Accept|*/*", "Accept|*/*"},
	} {
		given := strings.Split(c.given, "|")
		h := c.at.ask(given...)
		if c.arm != "" && h.by != c.arm {
			t.Errorf("%s: %s answered", c.given, h.by)
		}
		by := map[string]*fake{"stable": c.at.stable, "control": c.at.control, "candidate": c.at.candidate}[h.by]
		if got := strings.Join(by.given, "|"); got != c.wants {
			t.Errorf("%s: %s was given %q", c.given, h.by, got)
		}
		if strings.Join(given, "|") != c.given {
			t.Error("the headers that the front has lent were changed")
		}
	}
	b.Submit(&protocol.Exchange{Sink: &heard{}, Subject: subject("c"), Request: &protocol.Open{
		Request: &protocol.Request{Headers: []string{ForceName, "candidate:correct horse"}}}})
	if len(b.candidate.given) > 0 {
		t.Errorf("an event was given %q", b.candidate.given)
	}
	never.Submit(&protocol.Exchange{Sink: &heard{}, Request: &protocol.Request{Headers: []string{ForceName, "x"}}})
	if given := never.stable.(*fake).given; len(given) > 0 {
		t.Errorf("where no canary has been yet, the application was given %q", given)
	}
}

func TestAClientIsKnownByItsAddressOrAHeader(t *testing.T) {
	for _, by := range []string{"address", "header:X-Customer"} {
		seen := map[string]string{}
		for round := range 2 {
			for customer := range 200 {
				b := newBench(Settings{By: by}, 0.5)
				b.trial.key = [32]byte{1}
				h := &heard{}
				b.Submit(&protocol.Exchange{Sink: h, Request: &protocol.Request{Method: "GET", Target: "/",
					Remote:  fmt.Sprintf("192.0.2.%d:%d", customer, round),
					Headers: []string{"x-customer", fmt.Sprint(customer)}}})
				if before := seen[fmt.Sprint(customer)]; round == 1 && before != h.by || h.jar() != "" {
					t.Fatalf("%s: a client of %s came to %s", by, before, h.by)
				}
				seen[fmt.Sprint(customer)] = h.by
			}
		}
	}
}

// candidate asks until the candidate has the request.
func (b *bench) atCandidate() *heard {
	for {
		before := b.candidate.asked
		if h := b.ask(); b.candidate.asked > before {
			return h
		}
	}
}

func TestASafeRequestWhoseNewWorkerDiedIsAnsweredByTheOldCode(t *testing.T) {
	b := newBench(Settings{}, 0.5)
	b.candidate.fails, b.candidate.begins = protocol.FailedDied, true
	h := b.atCandidate()
	if h.by != "stable" || h.failure != 0 || h.finished != 1 {
		t.Errorf("%q answered, failure %v, finished %d times", h.by, h.failure, h.finished)
	}
	if _, candidate := b.trial.Sides(); candidate.Failed != 1 || candidate.Requests != 1 {
		t.Errorf("the new code has %+v against it", candidate)
	}
}

func TestWhatABackendThatStopsHasNotBegunIsAnsweredByTheOldCode(t *testing.T) {
	for _, kind := range []protocol.FailureKind{protocol.FailedStopping, protocol.FailedNoWorker} {
		b := newBench(Settings{}, 0.5)
		b.candidate.fails = kind
		h := b.atCandidate()
		if _, candidate := b.trial.Sides(); h.by != "stable" || h.finished != 1 || candidate.Requests != 0 {
			t.Errorf("%v: %q answered, finished %d times, evidence %+v", kind, h.by, h.finished, candidate)
		}
	}
}

func TestNoFaultOfTheCodeIsNoEvidence(t *testing.T) {
	for kind, counts := range map[protocol.FailureKind]bool{
		protocol.FailedQueueFull: false, protocol.FailedQueueTimeout: false, protocol.FailedCancelled: false,
		protocol.FailedDrained: false, protocol.FailedTimeout: true, protocol.FailedReset: true,
		protocol.FailedBroken: true,
	} {
		b := newBench(Settings{}, 0.5)
		b.candidate.fails, b.candidate.begins = kind, true
		h := b.atCandidate()
		if _, candidate := b.trial.Sides(); h.failure != kind || candidate.Failed == 1 != counts {
			t.Errorf("%v: the client heard %v, and the evidence is %+v", kind, h.failure, candidate)
		}
	}
	b := newBench(Settings{}, 0.5)
	b.candidate.status = 503
	b.atCandidate()
	if _, candidate := b.trial.Sides(); candidate.Failed != 1 {
		t.Error("a 503 of the new code does not count")
	}
}

func TestAnErrorInTheLogIsEvidenceWhateverTheAnswer(t *testing.T) {
	b := newBench(Settings{}, 0.5)
	b.candidate.logs = true
	if h := b.atCandidate(); h.by != "candidate" {
		t.Errorf("%q answered", h.by)
	}
	if _, candidate := b.trial.Sides(); candidate.Logged != 1 || candidate.Failed != 0 {
		t.Errorf("%+v", candidate)
	}
	if e := b.trial.Evidence(); !slices.ContainsFunc(e.Clients, func(c Client) bool { return c.Logged == 1 }) {
		t.Errorf("%+v", e.Clients)
	}
}

type subject string

func (s subject) ConnectionID() string { return string(s) }

func TestAConnectionsEventsGoToTheBackendOfItsFirst(t *testing.T) {
	b := newBench(Settings{}, 0.3)
	send := func(id string, r protocol.Opening) string {
		before := map[string]int{"stable": b.stable.asked, "control": b.control.asked, "candidate": b.candidate.asked}
		b.Submit(&protocol.Exchange{Sink: &heard{}, Subject: subject(id), Request: r})
		for _, f := range []*fake{b.stable, b.control, b.candidate} {
			if f.asked > before[f.name] {
				return f.name
			}
		}
		return ""
	}
	for i := range 300 {
		id := fmt.Sprint(i)
		first := send(id, &protocol.Open{Request: &protocol.Request{}})
		for range 3 {
			if at := send(id, &protocol.Incoming{}); at != first {
				t.Fatalf("a connection of %s had a message at %s", first, at)
			}
		}
		if at := send(id, &protocol.Close{}); at != first {
			t.Fatalf("a connection of %s had its end at %s", first, at)
		}
	}
	b.trial.connections.Range(func(id, _ any) bool {
		t.Errorf("connection %v is still remembered", id)
		return false
	})
	if at := send("tcp", &protocol.Open{}); at != "stable" {
		t.Errorf("a TCP connection came to %s", at)
	}
	if at := send("before", &protocol.Incoming{}); at != "stable" {
		t.Errorf("a connection from before the canary came to %s", at)
	}
	if at := send("", &protocol.Incoming{}); at != "stable" {
		t.Errorf("a datagram came to %s", at)
	}
}

func TestAfterTheEndAllGoesToTheStableBackend(t *testing.T) {
	b := newBench(Settings{}, 0.5)
	if roots := b.Traits().FileRoots; len(roots) != 2 {
		t.Errorf("files may lie in %v", roots)
	}
	b.Close()
	for range 50 {
		if h := b.ask(); h.by != "stable" || h.jar() != "" {
			t.Fatalf("%s answered, and set %q", h.by, h.jar())
		}
	}
	b.End()
	if roots := b.Traits().FileRoots; len(roots) != 0 {
		t.Errorf("files may lie in %v", roots)
	}
}

func TestWhoEndsAWorkerFromOutsideIsNoEvidence(t *testing.T) {
	b := newBench(Settings{}, 0.5)
	at := func(restarts int, why string) {
		b.trial.Sample(Candidate, []Worker{{Slot: 0, PID: 1 + restarts, Restarts: restarts, Restarted: why}})
	}
	at(0, "")
	for i, why := range []string{"exited (signal: killed)", "exited (signal: terminated)", "max_requests", "max_age",
		"max_memory", "exited (it said that it ends)"} {
		if at(i+1, why); b.trial.Dead() != "" {
			t.Errorf("%s: %s", why, b.trial.Dead())
		}
	}
	if at(7, "exited (signal: segmentation fault)"); b.trial.Dead() == "" {
		t.Error("a crash does not count")
	}
}

func TestDeathsThatOldCodeHasTooAreWeighed(t *testing.T) {
	side := func(deaths, requests int) Side { return Side{Deaths: make([]string, deaths), Requests: requests} }
	for _, c := range []struct {
		candidate, control Side
		old, requests      int
		ends               bool
	}{
		{side(1, 100), side(0, 100), 0, 0, true},
		{side(1, 100), side(1, 100), 0, 0, false},
		{side(1, 1000), side(0, 1000), 1, 18000, false},
		{side(3, 1000), side(0, 1000), 1, 18000, true},
		{side(0, 100), side(5, 100), 0, 0, false},
	} {
		e := Evidence{Candidate: c.candidate, Control: c.control, OldDeaths: c.old, OldRequests: c.requests}
		if why := dead(&e); why != "" != c.ends {
			t.Errorf("%+v: %q", c, why)
		}
	}
}

func FuzzACookieIsReadWhateverItHas(f *testing.F) {
	b := newBench(Settings{Secret: "correct horse battery"}, 0.5)
	f.Add("a=b; "+b.ask().jar(), "candidate:x")
	f.Add(";;=;"+CookieName+"====", ":")
	f.Fuzz(func(t *testing.T, cookies, force string) {
		h := b.ask("Cookie", cookies, ForceName, force)
		if h.finished != 1 {
			t.Errorf("finished %d times", h.finished)
		}
		if forced := strings.Contains(force+cookies, "correct horse battery"); h.by == "" && !forced {
			t.Error("nobody answered")
		}
	})
}
