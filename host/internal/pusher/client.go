// A client: its coming, what it says, and its going.

package pusher

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// The versions of the protocol that are spoken. Since 5 the data of what the server says is text.
const (
	oldest = 5
	newest = 7
)

// open lets a client in, and tells it its socket's id. One that has come in vain is told why over its WebSocket, since
// browsers show nothing else.
func (a *App) open(x *protocol.Exchange, m *protocol.Open) {
	s := a.settings.Load()
	socket, known := socketOf(m.Connection.ID)
	code, reason := s.refuses(m.Request)
	if !known {
		code, reason = ComeAgain, "this host has no number for the connection"
	}
	var acts []protocol.Act
	if code != 0 {
		acts = []protocol.Act{wrong(code, reason), &protocol.Hangup{To: protocol.ToSelf, Code: code, Reason: reason}}
	} else {
		established := encode(struct {
			Socket   string `json:"socket_id"`
			Activity int    `json:"activity_timeout"`
		}{socket, int(s.Activity.Seconds())})
		acts = []protocol.Act{&protocol.Join{Groups: []string{a.root()}},
			tell(event{Event: "pusher:connection_established", Data: string(established)})}
	}
	a.hub.Commit(x.Subject, acts, func(err error) { finish(x, err) })
}

// finish says that an event has been handled, or why that can't be.
func finish(x *protocol.Exchange, err error) {
	if err != nil {
		x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedReset, Detail: err.Error()})
	}
	x.Sink.Finished()
}

// refuses says why a client may not come in; a code of 0 is that it may.
func (s *Settings) refuses(r *protocol.Request) (code int, reason string) {
	if r == nil {
		return codeNoPath, "it takes a WebSocket"
	}
	path, query, _ := strings.Cut(r.Target, "?")
	key, ok := strings.CutPrefix(path, "/app/")
	if !ok {
		return codeNoPath, "the path of a WebSocket is /app/KEY"
	}
	if key, _ = url.PathUnescape(key); key != s.Key {
		return codeNoApp, "there is no app with this key here"
	}
	values, _ := url.ParseQuery(query)
	text := values.Get("protocol")
	version, err := strconv.Atoi(text)
	switch {
	case text == "":
		return codeNoVersion, "no protocol version is given: add protocol=7"
	case err != nil:
		return codeVersion, "the protocol version is no number"
	case version < oldest || version > newest:
		return codeOldVersion, fmt.Sprintf("protocol versions %d to %d are spoken here", oldest, newest)
	}
	return 0, ""
}

// turn is the handling of one event: of one message after the other.
type turn struct {
	app      *App
	x        *protocol.Exchange
	settings *Settings
	socket   string
	messages [][]byte

	// as the connection is after what has been handled so far
	uid    string
	groups []string
	users  map[string]member // by channel with presence
}

// heard handles what a client says.
func (a *App) heard(x *protocol.Exchange, m *protocol.Incoming) {
	t := &turn{app: a, x: x, settings: a.settings.Load(), uid: m.Connection.UID,
		groups: slices.Clone(m.Connection.Groups), users: a.presences(m.Connection.Session)}
	t.socket, _ = socketOf(m.Connection.ID)
	if !slices.Contains(t.groups, a.root()) { // what led here led elsewhere when it came
		reason := "it is another app's client"
		t.do(func() { x.Sink.Finished() }, &protocol.Hangup{To: protocol.ToSelf, Code: ComeAgain, Reason: reason})
		return
	}
	t.messages = append(t.messages, m.Bytes)
	if m.Flags&protocol.FlagEnd == 0 { // more than a frame has: the rest is not asked for
		t.messages[0] = nil
	}
	for _, later := range m.More {
		t.messages = append(t.messages, later.Bytes)
	}
	t.next()
}

// presences are the channels with presence that a session tells of.
func (a *App) presences(session []protocol.Entry) map[string]member {
	all := map[string]member{}
	for _, e := range session {
		channel, user, ok := a.channelOf(e.Key)
		var text string
		if !ok || user != "" || kindOf(channel) != presence || e.Value.DecodeInto(&text) != nil {
			continue
		}
		if m, err := parseMember(text); err == nil {
			all[channel] = m
		}
	}
	return all
}

// next handles the next message, or says that there is none.
func (t *turn) next() {
	if len(t.messages) == 0 {
		t.x.Sink.Finished()
		return
	}
	data := t.messages[0]
	if t.messages = t.messages[1:]; data == nil {
		t.wrong(0, "a message has at most %d bytes", protocol.MaxData)
		return
	}
	t.hear(data)
}

// do has acts carried out, and then goes on; if they can't be the client is told why.
func (t *turn) do(next func(), acts ...protocol.Act) {
	t.app.hub.Commit(t.x.Subject, acts, func(err error) {
		if err != nil {
			t.wrong(0, "%v", err)
			return
		}
		next()
	})
}

// wrong tells the client what is wrong, and goes on with its next message.
func (t *turn) wrong(code int, format string, about ...any) {
	act := wrong(code, fmt.Sprintf(format, about...))
	t.app.hub.Commit(t.x.Subject, []protocol.Act{act}, func(error) { t.next() })
}

// hear handles a message.
func (t *turn) hear(data []byte) {
	m, err := parseSaid(data)
	if err != nil {
		t.wrong(0, "%v", err)
		return
	}
	switch m.Event {
	case "pusher:ping":
		t.do(t.next, tell(event{Event: "pusher:pong", Data: struct{}{}}))
	case "pusher:pong":
		t.next()
	case "pusher:subscribe", "pusher:unsubscribe":
		var s subscription
		if err := m.about(&s); err != nil {
			t.wrong(0, "%v", err)
		} else if m.Event == "pusher:subscribe" {
			t.subscribe(s)
		} else {
			t.unsubscribe(s.Channel)
		}
	case "pusher:signin":
		t.signIn(m)
	default:
		if !strings.HasPrefix(m.Event, "client-") {
			t.wrong(0, "there is no event %.200q that a client could send", m.Event)
			return
		}
		t.relay(m)
	}
}

// relay passes a client's event on to the others in its channel.
func (t *turn) relay(m said) {
	group, k := t.app.group(m.Channel), kindOf(m.Channel)
	switch {
	case !t.settings.ClientEvents:
		t.wrong(codeRejected, "client events are off for this app: client_events = true has the host pass them on")
	case len(m.Event) > maxEvent:
		t.wrong(codeRejected, "the name of an event has at most %d bytes", maxEvent)
	case len(m.Data) > t.settings.MaxEvent:
		t.wrong(codeRejected, "the data of an event has at most %d bytes", t.settings.MaxEvent)
	case k != private && k != presence:
		t.wrong(codeRejected, "client events are for private channels, and those with presence")
	case !slices.Contains(t.groups, group):
		t.wrong(codeRejected, "client events are for channels that the client has subscribed to")
	default:
		e := event{Event: m.Event, Channel: m.Channel, Data: m.Data, User: t.users[m.Channel].ID}
		if len(m.Data) == 0 {
			e.Data = nil
		}
		own := []string{""}
		t.do(t.next, &protocol.Send{To: protocol.ToGroups, Names: []string{group}, Bytes: encode(e), Except: own})
	}
}

// signIn ties the connection to a user.
func (t *turn) signIn(m said) {
	var in struct {
		Auth string `json:"auth"`
		Data string `json:"user_data"`
	}
	var user struct {
		ID json.RawMessage `json:"id"`
	}
	if err := m.about(&in); err != nil {
		t.wrong(0, "%v", err)
		return
	}
	if !t.settings.signs(in.Auth, t.socket+"::user::"+in.Data) {
		t.reject("the signature of user_data is not the app's")
		return
	}
	unread := json.Unmarshal([]byte(in.Data), &user)
	id, err := parseUser(user.ID)
	switch {
	case unread != nil:
		t.reject("user_data can't be read")
	case err != nil:
		t.reject("user_data: id " + err.Error())
	default:
		done := encode(struct {
			Data string `json:"user_data"`
		}{in.Data})
		uid := t.app.group(id)
		t.do(func() { t.uid = uid; t.next() }, &protocol.Bind{UID: uid},
			tell(event{Event: "pusher:signin_success", Data: string(done)}))
	}
}

// reject ends the connection of a client that is not who it says.
func (t *turn) reject(reason string) {
	t.messages = nil
	t.do(t.next, wrong(codeNotAllowed, reason),
		&protocol.Hangup{To: protocol.ToSelf, Code: codeNotAllowed, Reason: "the user is not signed in"})
}

// left handles the end of a connection: it is out of its groups already.
func (a *App) left(x *protocol.Exchange, m *protocol.Close) {
	users := a.presences(m.Connection.Session)
	if len(users) == 0 {
		x.Sink.Finished()
		return
	}
	a.desk.do(func() {
		for channel, who := range users {
			a.part(channel, who.ID)
		}
		x.Sink.Finished()
	})
}
