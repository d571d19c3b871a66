package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func ignore(Event, []byte) error { return nil }

func TestWhateverSomebodyAsksForIsAudited(t *testing.T) {
	host := newFakeHost()
	path := socketPath(t)
	defer serve(t, path, host)()
	c := NewClient(path)
	c.Message = "release 42\n\x1b[31mof today"
	close(host.stopped)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-host.begun; host.last().End(); <-host.begun; host.last().End() }()
	c.Reload(ctx, Reload{Pools: []string{"app"}}, ignore)
	c.Try(ctx, Reload{}, ignore)
	c.Abort(ctx, ignore)
	c.Rollback(ctx, Rollback{Pools: []string{"app"}, Generation: 9}, ignore)
	c.Reload(ctx, Reload{Pools: []string{"nosuch"}}, ignore)
	c.Send(ctx, Message{Audience: Audience{Groups: []string{"lobby"}}, Bytes: []byte("hi")})
	c.Hangup(ctx, Closing{Audience: Audience{IDs: []string{"a", "b\n"}}, Code: 1008, Reason: "rules"})
	c.Stop(ctx, true, func(Event, []byte) error { cancel(); return nil })
	c.Status(context.Background())
	why := " release 42  [31mof today"
	if got, want := host.audited(), []string{
		"reload [pools [app]]" + why,
		"try []" + why,
		"abort []" + why + " refused",
		"rollback [pools [app] generation 9]" + why + " refused",
		"reload [pools [nosuch]]" + why + " refused",
		`send [bytes 2 to group "lobby" connections 3]` + why,
		`close [code 1008 reason rules to connection "a" and 1 more connections 1]` + why,
		"stop [now true]" + why,
	}; !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestATokenIsGoodForItsRightsAlone(t *testing.T) {
	host := newFakeHost()
	s := NewServer(claimed(t, socketPath(t)), host)
	secret := func(name string) string { return name + "-0123456789abcdef" }
	tokens := []Token{{Name: "token", Secret: secret("all")}}
	for _, right := range []Right{MayStatus, MayReload, MayStop, MayConnections} {
		tokens = append(tokens, Token{Name: string(right) + "-only", Secret: secret(string(right)),
			Rights: []Right{right}})
	}
	address := open(t, s, tokens...)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	close(host.stopped)
	acts := map[Right]func(c *Client) error{
		MayStatus: func(c *Client) error { _, err := c.Status(context.Background()); return err },
		MayReload: func(c *Client) error {
			return c.Reload(context.Background(), Reload{Pools: []string{"nosuch"}}, ignore)
		}, // 404, if it may
		MayStop: func(c *Client) error {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			// it ends with the host, or here
			return c.Stop(ctx, false, func(Event, []byte) error { cancel(); return nil })
		},
		MayConnections: func(c *Client) error {
			_, err := c.Send(context.Background(), Message{Audience: Audience{All: true}})
			return err
		},
	}
	for _, token := range tokens {
		for right, act := range acts {
			err := act(NewRemoteClient(address, token.Secret))
			var refused *Refusal
			forbidden := errors.As(err, &refused) && refused.Status == http.StatusForbidden
			if forbidden == token.may(right) {
				t.Errorf("%s: %s: %v", token.Name, right, err)
			}
			if forbidden && (!strings.Contains(refused.Text, token.Name) ||
				!strings.Contains(refused.Text, `"`+string(right)+`"`)) {
				t.Errorf("the refusal says %q", refused.Text)
			}
		}
	}
	if stops := len(host.stops); stops != 2 {
		t.Errorf("%d stops, and not by the two tokens that may", stops)
	}
	if got := host.audited(); !slices.Contains(got, "POST /v1/reload []  token stop-only refused") ||
		!slices.Contains(got, "send [bytes 0 to all connections 3]  token connections-only") {
		t.Errorf("audited:\n%s", strings.Join(got, "\n"))
	}
	s.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestAWrongTokenIsAudited(t *testing.T) {
	host := newFakeHost()
	s := NewServer(claimed(t, socketPath(t)), host)
	address := open(t, s, Token{Name: "token", Secret: "0123456789abcdef"})
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	NewRemoteClient(address, "another").Stop(context.Background(), true, ignore)
	s.Close()
	<-served
	if len(host.records) != 1 {
		t.Fatalf("%+v", host.records)
	}
	if r := host.records[0]; r.Err == nil || !r.Stranger || !strings.HasPrefix(r.Address, "127.0.0.1:") ||
		r.Token != "" || r.Act != "POST /v1/stop" {
		t.Errorf("%+v", r)
	}
}

// askFor asks for the status. Afterwards the connection is closed, or kept alive.
func askFor(t *testing.T, conn net.Conn, afterwards string) (status int, text string) {
	t.Helper()
	if afterwards == "close" {
		defer conn.Close()
	}
	if _, err := conn.Write([]byte("GET /v1/status HTTP/1.1\r\nHost: host\r\nConnection: " + afterwards +
		"\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(body)
}

func TestTheJournalTellsWhoAskedForAReload(t *testing.T) {
	host := newFakeHost()
	path := socketPath(t)
	defer serve(t, path, host)()
	c := NewClient(path)
	c.Message = "release 42"
	go func() { <-host.begun; host.last().End() }()
	if err := c.Reload(context.Background(), Reload{}, ignore); err != nil {
		t.Fatal(err)
	}
	var acts []string
	var last Release
	if err := c.Releases(context.Background(), func(r Release) error {
		acts, last = append(acts, r.Act), r
		return nil
	}); err != nil || !slices.Equal(acts, []string{"start", "reload"}) {
		t.Fatalf("%v: %v", acts, err)
	}
	if who := last.By; len(who) != 1 || who[0].How != "socket" || who[0].Message != "release 42" {
		t.Errorf("%+v", who)
	}
}
