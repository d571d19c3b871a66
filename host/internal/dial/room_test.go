package dial

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/host/internal/fetch/place"
	"github.com/workerhost/workerhost/protocol"
)

// standing has a dial of a WebSocket stand.
func (s *stage) standing(server *server, d protocol.Dial) *ear {
	s.Helper()
	s.open(d, protocol.DialBegun)
	e := hears(s, server.accepts())
	e.accept("", nil)
	s.isOpen(d.Name)
	return e
}

// isOpen waits for an OPEN, and until a dial stands after it.
func (s *stage) isOpen(name string) protocol.Connection {
	s.Helper()
	c := next[*protocol.Open](s).Connection
	s.until("it stands", func(all []State) bool {
		return slices.ContainsFunc(all, func(d State) bool { return d.Name == name && d.Phase == "open" })
	})
	return c
}

// leaves answers the host's close frame.
func (e *ear) leaves(code string) {
	e.Helper()
	if got := e.gets(ws.OpClose); !strings.HasPrefix(got, code) {
		e.Errorf("the close frame has %q, want %q", got, code)
	}
	e.says(ws.OpClose, code)
}

const (
	normal = "\x03\xe8"
	going  = "\x03\xe9"
)

func TestHoweverManyAskThereIsOneDial(t *testing.T) {
	s, server := newStage(t), newServer(t)
	d := s.dial(server.url("ws", "/"), "prices")
	s.standing(server, d)
	d.UID, d.Groups = "u", []string{"g"} // of the first connection alone
	for generation := range uint64(5) {
		s.opens(s.owner, generation, d, protocol.DialThere)
	}
	if n := len(s.room.List()); n != 1 || len(server.came) != 0 {
		t.Errorf("there are %d dials, and %d connections more", n, len(server.came))
	}
}

func TestOtherTermsReplaceADialUnlessTheyAreOlderOrACanarys(t *testing.T) {
	s, server := newStage(t), newServer(t)
	d := s.dial(server.url("ws", "/one"), "prices")
	s.opens(s.owner, 2, d, protocol.DialBegun)
	e := hears(t, server.accepts())
	e.accept("", nil)
	id := s.isOpen("prices").ID

	two := s.dial(server.url("ws", "/two"), "prices", func(d *protocol.Dial) { d.UID = "new" })
	s.opens(s.owner, 1, two, protocol.DialThere)
	canary := &Owner{Pool: "app", Backend: s.crew, Most: s.owner.Most, Serving: s.serving, Provisional: true,
		Of: s.owner}
	s.opens(canary, 3, two, protocol.DialThere)
	other := &Owner{Pool: "other", Backend: s.crew, Most: s.owner.Most, Serving: s.serving}
	s.opens(other, 9, d, "is a dial's of pool app")

	s.opens(s.owner, 3, two, protocol.DialReplaced)
	s.opens(s.owner, 3, two, protocol.DialThere)
	e.leaves(normal)
	if m := next[*protocol.Close](s); m.Connection.ID != id || m.Code != 1000 {
		t.Errorf("CLOSE is %+v", m)
	}
	e = hears(t, server.accepts())
	e.accept("", nil)
	c := next[*protocol.Open](s).Connection
	if e.request.RequestURI != "/two" || c.Dial.Reconnects != 0 || c.UID != "new" {
		t.Errorf("%s has come, with %+v", e.request.RequestURI, c)
	}
	s.opens(canary, 4, s.dial(server.url("ws", "/x"), "canary's"), protocol.DialBegun)
	hears(t, server.accepts()).accept("", nil)
	next[*protocol.Open](s)
}

func TestWhatMayNotBeDialedIsRefused(t *testing.T) {
	s, server := newStage(t), newServer(t)
	here := server.url("ws", "/")
	for _, c := range []struct {
		url    string
		change func(*protocol.Dial)
		want   string
		code   protocol.CallCode
	}{
		{"ws://10.0.0.1/", nil, "write it into [pool.app.fetch] allow", protocol.CallPermissionDenied},
		{"ftp://127.0.0.1/", nil, "makes no sense", protocol.CallInvalidArgument},
		{"tcp://127.0.0.1", nil, "port", protocol.CallInvalidArgument},
		{here, func(d *protocol.Dial) { d.Headers = []string{"X", "{secret:NONE}"} }, "no such secret",
			protocol.CallPermissionDenied},
		{here, func(d *protocol.Dial) { d.Headers = []string{"Host", "x"} }, "the host's to give",
			protocol.CallInvalidArgument},
		{here, func(d *protocol.Dial) { d.Headers = []string{"X", "a\r\nY: b"} }, "line break",
			protocol.CallInvalidArgument},
		{here, func(d *protocol.Dial) { d.Framing = "line" }, "framing", protocol.CallInvalidArgument},
		{here, func(d *protocol.Dial) { d.Groups = []string{""} }, "group", protocol.CallInvalidArgument},
		{"tcp://127.0.0.1:9", func(d *protocol.Dial) { d.Subprotocols = []string{"x"} }, "subprotocols",
			protocol.CallInvalidArgument},
	} {
		d := s.dial(c.url, "x")
		if c.change != nil {
			c.change(&d)
		}
		r := s.asks(s.owner, 1, protocol.CallDialOpen, d.Arguments()...)
		if !strings.Contains(r.Error, c.want) || r.Code != c.code {
			t.Errorf("%s: %q (%v), want %q (%v)", c.url, r.Error, r.Code, c.want, c.code)
		}
	}
	d := s.dial(here, "x")
	for _, method := range []string{protocol.CallDialOpen, protocol.CallDialClose} {
		if r := s.asks(nil, 1, method, d.Arguments()...); r.Code != protocol.CallPermissionDenied {
			t.Errorf("who may only ask may %s: %+v", method, r)
		}
	}
	if r := s.asks(s.owner, 1, "dial.list"); r.Code != protocol.CallUnimplemented {
		t.Errorf("an unknown method: %+v", r)
	}
	s.crew.handles = protocol.Events{}
	s.open(d, "handles no connections")
	s.crew.handles = protocol.Events{Open: true, Message: true}
	s.most = 1
	s.standing(server, s.dial(here, "one"))
	if r := s.asks(s.owner, 1, protocol.CallDialOpen, d.Arguments()...); r.Code != protocol.CallUnavailable {
		t.Errorf("one too many: %+v", r)
	}
}

func TestANameThatLeadsToAPrivateAddressIsNotDialed(t *testing.T) {
	s, server := newStage(t), newServer(t)
	_, port, _ := net.SplitHostPort(server.Addr().String())
	o := &Order{Dial: s.dial("tcp://localhost:"+port, "x"), Owner: s.owner, Fence: anywhere{s.fence}}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.room.Open(o); err != nil {
		t.Fatal(err)
	}
	s.until("it is refused", func(all []State) bool { return strings.Contains(all[0].Error, "no public address") })
	if len(server.came) > 0 {
		t.Error("it was dialed nevertheless")
	}
}

func TestADialIsTriedAgainWithGrowingPauses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := "tcp://" + l.Addr().String()
	l.Close()
	s := newStage(t)
	s.open(s.dial(to+"/", "p"), protocol.DialBegun)
	s.until("it fails", func(all []State) bool {
		return all[0].Phase == "waiting" && all[0].Failures > 2 && strings.Contains(all[0].Error, "refused")
	})
	if n := strings.Count(s.logged.String(), "[WARN]"); n < 2 || n > 3 {
		t.Errorf("the log has %d warnings\n%s", n, s.logged)
	}
	if c := s.room.Counts(); c.Failed < 3 || c.Tries < c.Failed || c.Standing != 0 {
		t.Errorf("the counts are %+v", c)
	}
	for failed, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000} {
		d := &dial{order: &Order{Dial: protocol.NewDial("", "")}, failed: failed}
		for range 100 {
			if p := d.pause(); p < want*time.Millisecond/2 || p > want*time.Millisecond {
				t.Errorf("after %d failures the pause is %v", failed, p)
			}
		}
	}
	d := &dial{order: &Order{Dial: protocol.NewDial("", "")}, failed: 1000, retry: time.Hour}
	if p := d.pause(); p != time.Minute {
		t.Errorf("the longest pause is %v", p)
	}
}

func TestWithoutReconnectADialIsTriedOnce(t *testing.T) {
	s, server := newStage(t), newServer(t)
	once := func(d *protocol.Dial) { d.Reconnect = false }
	e := s.standing(server, s.dial(server.url("ws", "/"), "once", once))
	e.Close()
	next[*protocol.Close](s)
	s.until("it is gone", func(all []State) bool { return len(all) == 0 })
	s.open(s.dial(server.url("ws", "/"), "once", once), protocol.DialBegun)
	server.accepts().Close()
	s.until("it is gone", func(all []State) bool { return len(all) == 0 })
	s.until("the log says so", func([]State) bool {
		return strings.Contains(s.logged.String(), "is not tried again")
	})
}

func TestAHangupAndARefusalBringADialBack(t *testing.T) {
	s, server := newStage(t), newServer(t)
	refuses := true
	s.crew.does(func(e protocol.Opening) ([]protocol.Act, *protocol.Response) {
		switch e.(type) {
		case *protocol.Open:
			if refuses {
				refuses = false
				return nil, &protocol.Response{Flags: protocol.FlagEnd, Status: 403}
			}
		case *protocol.Incoming:
			return []protocol.Act{&protocol.Hangup{Code: 1000}}, nil
		}
		return nil, nil
	})
	s.open(s.dial(server.url("ws", "/"), "p"), protocol.DialBegun)
	e := hears(t, server.accepts())
	e.accept("", nil)
	next[*protocol.Open](s)
	e.ends()
	e = hears(t, server.accepts())
	e.accept("", frame(ws.OpText, "go"))
	if c := next[*protocol.Open](s).Connection; c.Dial.Reconnects != 0 {
		t.Errorf("one that never stood counts: %+v", c.Dial)
	}
	next[*protocol.Incoming](s)
	e.leaves(normal)
	next[*protocol.Close](s)
	hears(t, server.accepts()).accept("", nil)
	if c := next[*protocol.Open](s).Connection; c.Dial.Reconnects != 1 {
		t.Errorf("%+v", c.Dial)
	}
}

func TestAStopHangsUpWith1001(t *testing.T) {
	s, server := newStage(t), newServer(t)
	e := s.standing(server, s.dial(server.url("ws", "/"), "p"))
	s.open(s.dial("tcp://127.0.0.1:1", "waits"), protocol.DialBegun)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.room.Shutdown(ctx)
	}()
	e.leaves(going)
	if m := next[*protocol.Close](s); m.Code != 1001 {
		t.Errorf("CLOSE is %+v", m)
	}
	e.ends()
	<-done
	if r := s.asks(s.owner, 1, protocol.CallDialOpen, text("ws://127.0.0.1/"), text("late")); r.Code !=
		protocol.CallUnavailable {
		t.Errorf("after the stop: %+v", r)
	}
	if n := len(s.room.List()); n != 0 || len(server.came) != 0 {
		t.Errorf("%d dials are left", n)
	}
}

func TestADisownedPoolsDialsEnd(t *testing.T) {
	s, server := newStage(t), newServer(t)
	e := s.standing(server, s.dial(server.url("ws", "/"), "p"))
	other := &Owner{Pool: "other", Backend: &crew{hub: s.hub, events: s.crew.events, handles: s.crew.handles},
		Most: s.owner.Most, Serving: s.serving}
	s.opens(other, 1, s.dial(server.url("ws", "/"), "q"), protocol.DialBegun)
	hears(t, server.accepts()).accept("", nil)
	s.isOpen("q")
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.room.Disown(ctx, s.owner)
	}()
	e.leaves(going)
	next[*protocol.Close](s)
	<-done
	s.until("that of the other pool stays", func(all []State) bool {
		return len(all) == 1 && all[0].Name == "q" && all[0].Phase == "open"
	})
}

func TestTheConfigurationsDialsComeChangeAndGo(t *testing.T) {
	s, server := newStage(t), newServer(t)
	order := func(path string) *Order {
		o := &Order{Dial: s.dial(server.url("ws", path), "fixed"), Owner: s.owner, Fence: s.fence}
		if err := o.Check(); err != nil {
			t.Fatal(err)
		}
		return o
	}
	s.room.Configure([]*Order{order("/a")})
	e := hears(t, server.accepts())
	e.accept("", nil)
	s.isOpen("fixed")
	s.room.Configure([]*Order{order("/a")})
	s.opens(s.owner, 9, s.dial(server.url("ws", "/a"), "fixed"), protocol.DialThere)
	s.opens(s.owner, 9, s.dial(server.url("ws", "/b"), "fixed"), "of the configuration")
	if r := s.asks(s.owner, 1, protocol.CallDialClose, text("fixed")); r.Code != protocol.CallPermissionDenied {
		t.Errorf("a worker closes what is configured: %+v", r)
	}
	s.room.Amend(s.owner, nil)
	if all := s.room.List(); len(all) != 1 || !all[0].Configured || all[0].Phase != "open" {
		t.Fatalf("there are %+v", all)
	}
	s.room.Configure([]*Order{order("/b")})
	e.leaves(normal)
	next[*protocol.Close](s)
	e = hears(t, server.accepts())
	if e.request.RequestURI != "/b" {
		t.Errorf("%s has come", e.request.RequestURI)
	}
	e.accept("", nil)
	s.isOpen("fixed")
	s.room.Configure(nil)
	e.leaves(normal)
	next[*protocol.Close](s)
	s.until("it is gone", func(all []State) bool { return len(all) == 0 })
}

func TestWhatIsNotAllowedAnyMoreIsHungUp(t *testing.T) {
	s, server := newStage(t), newServer(t)
	e := s.standing(server, s.dial(server.url("ws", "/"), "p"))
	s.room.Amend(s.owner, s.fence)
	if s.room.List()[0].Phase != "open" {
		t.Fatal("one that is allowed is hung up")
	}
	s.fence.mu.Lock()
	s.fence.none = true
	s.fence.mu.Unlock()
	s.room.Amend(s.owner, s.fence)
	e.leaves(normal)
	next[*protocol.Close](s)
	s.until("it is gone", func(all []State) bool { return len(all) == 0 })
	if !strings.Contains(s.logged.String(), "does not allow it any more") {
		t.Errorf("the log has only\n%s", s.logged)
	}
}

func TestNothingIsDialedBeforeTheRoomBegins(t *testing.T) {
	s, server := newStage(t), newServer(t)
	room := New(s.room.Settings)
	s.room = room
	s.open(s.dial(server.url("ws", "/"), "p"), protocol.DialBegun)
	s.open(s.dial(server.url("ws", "/"), "q"), protocol.DialBegun)
	s.asks(s.owner, 1, protocol.CallDialClose, text("q"))
	if all := room.List(); len(all) != 1 || all[0].Phase != "waiting" || len(server.came) != 0 {
		t.Fatalf("there are %+v", all)
	}
	room.Start()
	hears(t, server.accepts()).accept("", nil)
	next[*protocol.Open](s)
}

// anywhere allows all.
type anywhere struct{ *fence }

func (anywhere) Target(text string) (*url.URL, error) { return place.Lasting(text) }
