// A worker in Go for connections: a message is a command and its argument.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

func open(ctx context.Context, c *sdk.Conn, r *http.Request) error {
	if r == nil {
		return errors.Join(c.Session().Set("name", "tcp"), c.Send([]byte("welcome")))
	}
	if r.FormValue("name") == "" {
		return sdk.Refuse(http.StatusForbidden, "What is your name?")
	}
	return errors.Join(c.Session().Set("name", r.FormValue("name")), c.Join("lobby"),
		c.BindUser("u-"+r.FormValue("name")), c.Accept("talk", nil))
}

func message(ctx context.Context, c *sdk.Conn, m sdk.Message) error {
	conns := sdk.Connections(ctx)
	command, argument, _ := strings.Cut(string(m.Data), " ")
	reply := func(format string, args ...any) error { return c.Send(fmt.Appendf(nil, format, args...)) }
	switch command {
	case "whoami":
		return reply("%s of %s in %v, code %d", c.Session().String("name"), c.UID(), c.Groups(),
			sdk.Self(ctx).Generation)
	case "say":
		return conns.SendToGroup("lobby", fmt.Appendf(nil, "%s: %s", c.Session().String("name"), argument),
			sdk.Except(c.ID))
	case "tell":
		return conns.SendToUser("u-"+argument, []byte("psst"))
	case "fail":
		return errors.Join(reply("never heard"), c.Session().Set("name", "nobody"), errors.New("on purpose"))
	case "panic":
		reply("never heard")
		panic("on purpose")
	case "count": // 20 times at once
		var all sync.WaitGroup
		counts := make([]int, 20)
		for i := range counts {
			all.Go(func() { counts[i], _ = conns.Count("lobby") })
		}
		all.Wait()
		return reply("%d %d", counts[0], counts[19])
	case "online":
		online, err := conns.IsOnline("u-" + argument)
		return errors.Join(err, reply("%t", online))
	case "rename":
		ids, err := conns.IDs("lobby")
		for _, id := range ids {
			if id != c.ID {
				err = errors.Join(err, conns.UpdateSession(id, func(s *sdk.Session) error {
					return s.Set("name", argument)
				}))
			}
		}
		return errors.Join(err, reply("done"))
	case "large":
		return c.Send(bytes.Repeat([]byte("x"), 1<<20), sdk.Binary())
	case "length":
		return reply("%d", len(argument))
	case "bye":
		return c.Close(4001, argument)
	}
	return reply("?")
}

func main() {
	worker := sdk.Worker{
		OnOpen: open, OnMessage: message,
		OnClose: func(ctx context.Context, c *sdk.Conn, end sdk.Closing) error {
			return sdk.Connections(ctx).SendToGroup("lobby",
				fmt.Appendf(nil, "%s left: %d %s", c.Session().String("name"), end.Code, end.Reason))
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := sdk.Connections(r.Context()).SendToAll([]byte("from a request")); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		}),
	}
	if err := worker.Serve(); err != nil {
		log.Fatal(err)
	}
}
