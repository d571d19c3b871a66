// host send and host close: a word to connections, and the last one.

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

// SendCommand is host send.
func SendCommand() *Command {
	return &Command{
		Name:      "send",
		Arguments: "(--id ID | --uid UID | --group GROUP | --all) TEXT",
		Summary:   "Send a message to connections",
		Detail: `TEXT is the message, or - for what comes on standard input. It says how many connections it was
for, and exits with 1 if there were none. A client that is too slow may drop it, or be closed for it, as
slow_client has it.`,
		Example: "host send --all 'We are back in five minutes.'\nhost send --uid ada --uid bob hello\njq -c .news " +
			"feed.json | host send --group news -",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			whom := audienceFlags(f)
			f.StringArrayVar(&whom.IDs, "id", nil, "to the connection `ID`; can be repeated, as the next two")
			binary := f.Bool("binary", false,
				"as bytes, not as text: a binary message of a WebSocket, and to server-sent events as it is")
			asJSON := reachedJSON(f)
			return func(t *Terminal, args []string) error {
				if len(args) != 1 {
					return Misused(
						"expected one TEXT, and got %d arguments; put quotes around a text of several words",
						len(args))
				}
				if whom.Check() != nil {
					return Misused("say to whom, by one of --id, --uid, --group and --all")
				}
				m := control.Message{Audience: *whom, Bytes: []byte(args[0]), Binary: *binary}
				if args[0] == "-" {
					var err error
					if m.Bytes, err = io.ReadAll(io.LimitReader(os.Stdin, control.MaxMessage+1)); err != nil {
						return fmt.Errorf("standard input: %w", err)
					}
				}
				switch {
				case len(m.Bytes) > control.MaxMessage:
					return fmt.Errorf("the message has more than %s; split it", HumanBytes(control.MaxMessage))
				case !m.Binary && !utf8.Valid(m.Bytes):
					return errors.New("the message is no UTF-8 text: send it with --binary")
				}
				client, err := find()
				if err != nil {
					return err
				}
				ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
				defer cancel()
				done, err := client.Send(ctx, m)
				return tellReached(t, "sent to", *asJSON, done, err)
			}
		},
	}
}

// CloseCommand is host close.
func CloseCommand() *Command {
	return &Command{
		Name:      "close",
		Arguments: "(ID... | --uid UID | --group GROUP | --all)",
		Summary:   "Close connections",
		Detail: `Clients get what was sent to them before, and then a proper close: a WebSocket the code and the
reason, others the end of the stream. Workers hear of it in onClose. It exits with 1 if there is no such
connection.`,
		Example: "host close 5kq2wz7d-1f\nhost close --uid mallory --code 1008 --reason 'house rules'",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			whom := audienceFlags(f)
			code := f.Int("code", 1000, "`CODE` for the client: 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999")
			reason := f.String("reason", "", "`TEXT` for the client, at most 123 bytes")
			asJSON := reachedJSON(f)
			return func(t *Terminal, args []string) error {
				whom.IDs = args
				if whom.Check() != nil {
					return Misused("say which, by their IDs, or by one of --uid, --group and --all; `host " +
						"connections` lists them")
				}
				client, err := find()
				if err != nil {
					return err
				}
				ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
				defer cancel()
				done, err := client.Hangup(ctx, control.Closing{Audience: *whom, Code: *code, Reason: *reason})
				return tellReached(t, "closed", *asJSON, done, err)
			}
		},
	}
}

func audienceFlags(f *pflag.FlagSet) *control.Audience {
	a := new(control.Audience)
	f.StringArrayVar(&a.UIDs, "uid", nil, "the connections of the user `UID`")
	f.StringArrayVar(&a.Groups, "group", nil, "those in the group `NAME`")
	f.BoolVar(&a.All, "all", false, "all of them")
	f.StringVar(&a.Realm, "realm", "", "only those of the realm `NAME`")
	f.StringArrayVar(&a.Except, "except", nil, "but not the connection `ID`; can be repeated")
	return a
}

func reachedJSON(f *pflag.FlagSet) *bool {
	return f.Bool("json", false, "print a JSON object")
}

// tellReached says what came of it.
func tellReached(t *Terminal, what string, asJSON bool, done control.Reached, err error) error {
	switch {
	case err != nil:
		return withRemedy(err)
	case asJSON:
		encode(t.Out, done)
	default:
		fmt.Fprintln(t.Out, what, Counted(done.Connections, "connection")+ofRealms(done.Realms))
	}
	if len(done.Missing) > 0 {
		return fmt.Errorf("there is no connection %s; `host connections` lists those there are",
			strings.Join(done.Missing, ", "))
	}
	if done.Connections == 0 {
		return EndedBy(control.NotDone,
			"nobody was reached: there is no such connection; `host connections` lists those there are")
	}
	return nil
}

// ofRealms writes " (blog 2, shop 1)", where there are several.
func ofRealms(each map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(each)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, each[name]))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
