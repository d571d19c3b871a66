// Messages: what is said over a WebSocket, in JSON.

package pusher

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/workerhost/workerhost/protocol"
)

// What the codes of [protocol.Hangup] and of pusher:error are with Pusher. Below 4100 a client does not come again.
const (
	// Disabled is the code that clients are closed with whose app has gone.
	Disabled = 4003
	// ComeAgain is that of those who are to come again at once.
	ComeAgain = 4200

	codeNoApp      = 4001
	codeNoPath     = 4005
	codeVersion    = 4006
	codeOldVersion = 4007
	codeNoVersion  = 4008
	codeNotAllowed = 4009
	codeRejected   = 4301 // an event of the client's; it goes on
)

// said is what a client says.
type said struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
}

var errNoMessage = errors.New(`expected an object such as {"event":"pusher:ping","data":{}}`)

// parseSaid reads a client's message.
func parseSaid(b []byte) (m said, err error) {
	if err = json.Unmarshal(b, &m); err != nil || m.Event == "" {
		return said{}, errNoMessage
	}
	return m, nil
}

// about reads the data of one of Pusher's own events, which is an object, or a text that holds one.
func (m *said) about(into any) error {
	data := []byte(m.Data)
	var text string
	if len(data) > 0 && data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		data = []byte(text)
	}
	if json.Unmarshal(data, into) != nil {
		return errors.New("the data of " + m.Event + " can't be read")
	}
	return nil
}

// subscription is the data of pusher:subscribe, and of pusher:unsubscribe.
type subscription struct {
	Channel string `json:"channel"`
	Auth    string `json:"auth"`
	Data    string `json:"channel_data"`
}

// member is who is in a channel with presence.
type member struct {
	ID   string
	Info json.RawMessage // nil is none
}

// wireMember is how a member is written: in channel_data, in sessions, and in member_added.
type wireMember struct {
	ID   json.RawMessage `json:"user_id"`
	Info json.RawMessage `json:"user_info,omitempty"`
}

// parseMember reads channel_data. An id may be a number.
func parseMember(text string) (member, error) {
	var wire wireMember
	if err := json.Unmarshal([]byte(text), &wire); err != nil {
		return member{}, errors.New("channel_data can't be read")
	}
	id, err := parseUser(wire.ID)
	if err != nil {
		return member{}, errors.New("channel_data: user_id " + err.Error())
	}
	return member{ID: id, Info: wire.Info}, nil
}

// parseUser reads the id of a user: text, or a whole number.
func parseUser(raw json.RawMessage) (id string, err error) {
	var number json.Number
	switch {
	case len(raw) == 0:
	case raw[0] == '"':
		err = json.Unmarshal(raw, &id)
	case json.Unmarshal(raw, &number) == nil:
		if _, err = strconv.ParseInt(number.String(), 10, 64); err == nil {
			id = number.String()
		}
	}
	if err != nil || id == "" || len(id) > maxUser || !utf8.ValidString(id) {
		return "", errors.New("has to be text of 1 to 128 bytes, or a whole number")
	}
	return id, nil
}

// text is how the member is written.
func (m member) text() string {
	id, _ := json.Marshal(m.ID) // text is always one
	return string(encode(wireMember{ID: id, Info: m.Info}))
}

// event is what a client is told. Data is written as it is: Pusher has text there, which in turn holds JSON.
type event struct {
	Event   string `json:"event"`
	Channel string `json:"channel,omitempty"`
	Data    any    `json:"data"`
	User    string `json:"user_id,omitempty"`
}

// problem is the data of pusher:error.
type problem struct {
	Code    *int   `json:"code"`
	Message string `json:"message"`
}

// refused is the data of pusher:subscription_error.
type refused struct {
	Type   string `json:"type"`
	Error  string `json:"error"`
	Status int    `json:"status"`
}

// encode writes what can always be written.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("pusher: " + err.Error()) // a RawMessage that was never read
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// tell is the act of telling the event's own client.
func tell(e event) protocol.Act { return &protocol.Send{To: protocol.ToSelf, Bytes: encode(e)} }

// wrong is the act of telling it what is wrong; a code of 0 is none.
func wrong(code int, message string) protocol.Act {
	p := problem{Message: message}
	if code != 0 {
		p.Code = &code
	}
	return tell(event{Event: "pusher:error", Data: p})
}
