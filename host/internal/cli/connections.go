// host connections: who is connected for long, for people and for programs; and what the control API does to
// connections.

package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/protocol"
)

// ConnectionsCommand is host connections.
func ConnectionsCommand() *Command {
	return &Command{
		Name:    "connections",
		Summary: "Show the long-lived connections",
		Detail: `These are WebSockets, TCP connections and held responses (sse, poll), the oldest first. IN and
OUT are messages and their bytes, from and to the client; QUEUED is what the client has yet to take. An arrow
stands before an address that the host has dialed; dials that do not stand follow the table. The JSON is one object
a line; its names are promised.`,
		Example: "host connections\nhost connections --group lobby\nhost connections --json | jq -r 'select(.queued " +
			"> 100000) | .id'",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := hostFlags(f)
			asJSON := f.Bool("json", false, "print JSON, one object a line")
			all := f.Bool("cluster", false, "show those of all hosts of the cluster, host by host")
			var filter control.Filter
			f.StringVar(&filter.Realm, "realm", "", "only those of the realm `NAME`")
			f.StringVar(&filter.Group, "group", "", "only those in the group `NAME`")
			f.StringVar(&filter.UID, "uid", "", "only those of the user `UID`")
			f.StringVar(&filter.Protocol, "protocol", "",
				"only those that speak `PROTOCOL`: websocket, tcp, sse or poll")
			return func(t *Terminal, args []string) error {
				if err := noArguments(args); err != nil {
					return err
				}
				if known := []string{"", protocol.ProtoWebSocket, protocol.ProtoTCP, protocol.ProtoSSE,
					protocol.ProtoPoll}; !slices.Contains(known, filter.Protocol) {
					return Misused("--protocol: expected %s, found %q", strings.Join(known[1:], ", "), filter.Protocol)
				}
				client, err := find()
				if err != nil {
					return err
				}
				if *all {
					return connectionsOfAll(t, client, filter, *asJSON)
				}
				ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
				defer cancel()
				if *asJSON {
					out := bufio.NewWriter(t.Out)
					err := client.Connections(ctx, filter, func(_ control.Connection, line []byte) error {
						out.Write(line)
						return out.WriteByte('\n')
					})
					if err == nil {
						err = out.Flush()
					}
					return withRemedy(err)
				}
				var all []control.Connection
				err = client.Connections(ctx, filter, func(c control.Connection, _ []byte) error {
					all = append(all, c)
					return nil
				})
				if err != nil {
					return withRemedy(err)
				}
				showConnections(t, all, time.Now())
				if filter == (control.Filter{}) {
					st, err := client.Status(ctx)
					if err != nil {
						return withRemedy(err)
					}
					showDials(t, st.Dials)
				}
				return nil
			}
		},
	}
}

func showConnections(t *Terminal, all []control.Connection, now time.Time) {
	if len(all) == 0 {
		fmt.Fprintln(t.Out, "no connections")
		return
	}
	listeners, realms := map[string]bool{}, map[string]bool{}
	for _, c := range all {
		listeners[c.Listener+c.Pool], realms[c.Realm] = true, true
	}
	list := table{right: map[int]bool{5: true, 6: true, 7: true, 8: true}}
	titles := []string{"ID", "PROTOCOL", "REMOTE", "UID", "GROUPS", "AGE", "IN", "OUT", "QUEUED", "LISTENER", "REALM"}
	if len(realms) < 2 { // it says nothing, and lines should fit a terminal
		titles = titles[:10]
		if len(listeners) < 2 {
			titles = titles[:9]
		}
	}
	var header []cell
	for _, title := range titles {
		header = append(header, cell{title, t.Faint})
	}
	list.add(header...)
	for _, c := range all {
		queued := cell{text: HumanBytes(c.Queued)}
		if c.Dropped > 0 {
			queued = cell{queued.text + fmt.Sprintf(" (%d dropped)", c.Dropped), t.Yellow}
		}
		row := []cell{
			{text: c.ID}, {text: c.Protocol}, {text: orDash(remote(&c))}, {text: Shortened(orDash(c.UID), 20)},
			{text: Shortened(orDash(strings.Join(c.Groups, ",")), 24)},
			{text: HumanDuration(now.Sub(c.Since))}, {text: traffic(c.MessagesIn, c.BytesIn)},
			{text: traffic(c.MessagesOut, c.BytesOut)}, queued,
			{text: c.Listener + " → " + c.Pool}, {text: c.Realm},
		}
		list.add(row[:len(titles)]...)
	}
	list.write(t.Out)
}

// remote is a client's address, or the one that the host has dialed.
func remote(c *control.Connection) string {
	if c.Dial != "" {
		return "→ " + c.Remote
	}
	return c.Remote
}

// showDials shows those that do not stand, which are no connections at the moment.
func showDials(t *Terminal, all []control.Dial) {
	for _, d := range all {
		state := d.State
		switch {
		case d.State == "open":
			continue
		case d.Wait > 0:
			state += " " + HumanDuration(FromSeconds(d.Wait))
		}
		if d.Error != "" {
			state += ": " + Shortened(d.Error, 200)
		}
		fmt.Fprintf(t.Out, "dial %s → %s  %s\n", Shortened(d.Name, 40), Shortened(d.URL, 60), t.Yellow(state))
	}
}

// traffic writes "12 (3.4 KiB)".
func traffic(messages, bytes int64) string {
	if messages == 0 {
		return "-"
	}
	return strconv.FormatInt(messages, 10) + " (" + HumanBytes(bytes) + ")"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Shortened makes what clients may have chosen fit, and keeps it from doing anything to the terminal.
func Shortened(s string, most int) string {
	runes := []rune(s)
	if len(runes) > most {
		runes = append(runes[:most-1], '…')
	}
	for i, r := range runes {
		if !strconv.IsPrint(r) {
			runes[i] = '·'
		}
	}
	return string(runes)
}
