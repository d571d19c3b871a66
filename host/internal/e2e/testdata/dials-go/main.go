// A worker in Go that dials, as dials.php does.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

func asked(ctx context.Context, name, url, framing string) string {
	d := sdk.DialRequest{URL: url, Name: name, Session: map[string]any{"from": "go"}, Groups: []string{"feeds"},
		UID: "u-" + name, Framing: framing, ReconnectMax: 100 * time.Millisecond}
	if !strings.HasPrefix(url, "tcp") {
		d.Header = http.Header{"X-Key": {"{secret:KEY}"}}
	}
	if strings.HasPrefix(url, "ws") {
		d.Subprotocols = []string{"v9", "v2"}
	}
	outcome, err := sdk.Connections(ctx).Dial(d)
	if refused := (*sdk.CallError)(nil); errors.As(err, &refused) {
		return fmt.Sprintf("%d the host says: %s", refused.Code, refused.Message)
	}
	return outcome
}

func tell(ctx context.Context, format string, args ...any) error {
	return sdk.Connections(ctx).SendToGroup("clients", fmt.Appendf(nil, format, args...))
}

func open(ctx context.Context, c *sdk.Conn, r *http.Request) error {
	if c.Dial == "" {
		return c.Join("clients")
	}
	request := "no request"
	if r != nil {
		request = "a request"
	}
	line := fmt.Sprintf("open %s %s %d %s %s %s %s %s %s", c.Dial, c.Protocol, c.Reconnects,
		cmp.Or(c.Subprotocol, "-"), c.Listener, strings.Join(c.Groups(), ","), c.UID(),
		cmp.Or(c.Session().String("from"), "-"), request)
	return errors.Join(c.Session().Set("from", "before"), tell(ctx, "%s", line))
}

func message(ctx context.Context, c *sdk.Conn, m sdk.Message) error {
	if c.Dial != "" {
		line := c.Dial + ": " + string(m.Data)
		if m.Event != "" || m.ID != "" {
			line += " " + cmp.Or(m.Event, "-") + " " + cmp.Or(m.ID, "-")
		}
		return tell(ctx, "%s", line)
	}
	all := sdk.Connections(ctx)
	words := append(strings.SplitN(string(m.Data), " ", 3), "", "")
	command, name, rest := words[0], words[1], words[2]
	reply := func(text string) error { return c.Send([]byte(text)) }
	switch command {
	case "dial":
		url, framing, _ := strings.Cut(rest, " ")
		return reply(asked(ctx, name, url, framing))
	case "close":
		was, err := all.CloseDial(name)
		if !was || err != nil {
			return reply("none")
		}
		return reply("closed")
	}
	id, err := all.DialID(name)
	if err != nil {
		return err
	}
	switch command {
	case "id":
		if id == "" {
			return reply("down")
		}
		return reply("up")
	case "to":
		return all.Send(cmp.Or(id, "nobody"), []byte(rest))
	}
	return all.Close(cmp.Or(id, "nobody"), 4001, rest)
}

func main() {
	worker := sdk.Worker{OnOpen: open, OnMessage: message,
		OnClose: func(ctx context.Context, c *sdk.Conn, end sdk.Closing) error {
			if c.Dial == "" {
				return nil
			}
			return tell(ctx, "close %s %d", c.Dial, end.Code)
		}}
	ready := sdk.OnReady(func(ctx context.Context) {
		if feed := os.Getenv("FEED"); feed != "" {
			log.Print("asked: ", asked(ctx, "feed", feed, ""))
		}
	})
	if err := worker.Serve(ready); err != nil {
		log.Fatal(err)
	}
}
