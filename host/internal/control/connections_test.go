package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestConnectionsAreToldTheOldestFirst(t *testing.T) {
	f := newFakeHost()
	base := time.Unix(1000, 0).UTC()
	f.connections = []Connection{
		{ID: "c", Protocol: "tcp", Since: base.Add(2 * time.Second), Groups: []string{}},
		{ID: "b", Protocol: "websocket", UID: "ada", Since: base, Groups: []string{"lobby", "news"}},
		{ID: "a", Protocol: "websocket", Since: base, Groups: []string{"news"}},
	}
	path := socketPath(t)
	serve(t, path, f)
	c := NewClient(path)
	for _, q := range []struct {
		filter Filter
		want   string
	}{
		{Filter{}, "a b c"}, {Filter{Group: "news"}, "a b"}, {Filter{Group: "lobby"}, "b"}, {Filter{UID: "ada"}, "b"},
		{Filter{Protocol: "tcp"}, "c"},
		{Filter{Protocol: "tcp", UID: "ada"}, ""}, {Filter{Group: "a&b=c"}, ""},
	} {
		var ids []string
		err := c.Connections(context.Background(), q.filter, func(c Connection, line []byte) error {
			ids = append(ids, c.ID)
			if !bytes.HasPrefix(line, []byte(`{"id":"`)) || bytes.HasSuffix(line, []byte("\n")) {
				t.Errorf("a line is %q", line)
			}
			return nil
		})
		if got := strings.Join(ids, " "); got != q.want || err != nil {
			t.Errorf("%+v: %q, %v; expected %q", q.filter, got, err, q.want)
		}
	}
	enough := errors.New("enough")
	if err := c.Connections(context.Background(), Filter{}, func(Connection, []byte) error {
		return enough
	}); err != enough {
		t.Errorf("%v", err)
	}
	var said *Refusal
	if err := c.get(context.Background(), "/v1/connections?user=ada", new(any)); !errors.As(err, &said) ||
		said.Status != http.StatusBadRequest || !strings.Contains(said.Text, `"user"`) {
		t.Errorf("%v", err)
	}
}

func TestFifteenThousandConnectionsAreListed(t *testing.T) {
	f := newFakeHost()
	for i := range 15000 {
		f.connections = append(f.connections,
			Connection{ID: fmt.Sprint(i), Groups: []string{"lobby"}, Since: time.Unix(int64(i), 0)})
	}
	path := socketPath(t)
	serve(t, path, f)
	n := 0
	err := NewClient(path).Connections(context.Background(), Filter{Group: "lobby"},
		func(c Connection, _ []byte) error {
			if c.ID != fmt.Sprint(n) {
				t.Fatalf("number %d is %s", n, c.ID)
			}
			n++
			return nil
		})
	if n != 15000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestSendAndCloseReachTheirAudience(t *testing.T) {
	f := newFakeHost()
	path := socketPath(t)
	serve(t, path, f)
	c, ctx := NewClient(path), context.Background()
	big := bytes.Repeat([]byte{0xff}, MaxMessage)
	done, err := c.Send(ctx, Message{Audience: Audience{Groups: []string{"lobby"}, Except: []string{"x"}}, Bytes: big,
		Binary: true})
	if err != nil || done.Connections != 3 {
		t.Fatalf("%+v, %v", done, err)
	}
	if m := f.messages[0]; !bytes.Equal(m.Bytes, big) || !m.Binary || m.Groups[0] != "lobby" || m.Except[0] != "x" {
		t.Errorf("%d bytes for %+v", len(m.Bytes), m.Audience)
	}
	var said *Refusal
	if _, err := c.Send(ctx, Message{Audience: Audience{All: true}, Bytes: append(big, 0)}); !errors.As(err, &said) ||
		said.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a larger one: %v", err)
	}
	for _, a := range []Audience{{}, {All: true, UIDs: []string{"ada"}}, {Except: []string{"x"}}} {
		if _, err := c.Send(ctx, Message{Audience: a}); !errors.As(err, &said) ||
			said.Status != http.StatusBadRequest {
			t.Errorf("%+v: %v", a, err)
		}
	}
	done, err = c.Hangup(ctx, Closing{Audience: Audience{IDs: []string{"a", "b"}}})
	if err != nil || done.Connections != 1 || len(done.Missing) != 1 || done.Missing[0] != "b" {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := c.Hangup(ctx, Closing{Audience: Audience{All: true}, Code: 1}); !errors.As(err, &said) ||
		!strings.Contains(said.Text, "code 1") {
		t.Errorf("%v", err)
	}
	if len(f.messages) != 1 {
		t.Errorf("%d messages were sent", len(f.messages))
	}
}
