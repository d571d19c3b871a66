// connections.go: what the API says of long-lived connections, and does to them.

package control

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Connection is a client's long-lived connection: a WebSocket, a TCP connection, a held response; or a dial's.
type Connection struct {
	ID          string    `json:"id"`
	Protocol    string    `json:"protocol"` // websocket, tcp, sse or poll
	Remote      string    `json:"remote"`   // ip:port; "" for a client of a unix socket
	Listener    string    `json:"listener"`
	Dial        string    `json:"dial,omitempty"` // the name of the dial that it is of; "" is that a client has come
	Pool        string    `json:"pool"`
	Realm       string    `json:"realm,omitempty"` // "" where all are in the realm "default"
	UID         string    `json:"uid"`
	Groups      []string  `json:"groups"`
	Since       time.Time `json:"since"`
	MessagesIn  int64     `json:"messages_in"`
	MessagesOut int64     `json:"messages_out"`
	BytesIn     int64     `json:"bytes_in"`     // of messages
	BytesOut    int64     `json:"bytes_out"`    // of messages, with their framing
	Dropped     int64     `json:"dropped"`      // messages for a client that was too slow
	Queued      int64     `json:"queued"`       // bytes that wait to be sent, with 32 for each message
	Waiting     int       `json:"waiting"`      // messages that wait to be handled
	SessionSize int       `json:"session_size"` // bytes, encoded
}

// DefaultRealm is the realm of connections that name none.
const DefaultRealm = "default"

// Filter chooses connections: those that fit all that is not empty.
type Filter struct{ Realm, Group, UID, Protocol string }

func (f Filter) fits(c *Connection) bool {
	return (f.Realm == "" || cmp.Or(c.Realm, DefaultRealm) == f.Realm) && (f.UID == "" || c.UID == f.UID) &&
		(f.Protocol == "" || c.Protocol == f.Protocol) && (f.Group == "" || slices.Contains(c.Groups, f.Group))
}

// Audience says whom a message is for, or who is to be closed. One of the first four is set.
type Audience struct {
	IDs    []string `json:"ids,omitempty"`
	UIDs   []string `json:"uids,omitempty"`
	Groups []string `json:"groups,omitempty"`
	All    bool     `json:"all,omitempty"`
	Except []string `json:"except,omitempty"` // ids that are left out
	Realm  string   `json:"realm,omitempty"`  // only those of that realm
}

// Check says what is wrong with an audience.
func (a *Audience) Check() error {
	n := 0
	for _, set := range []bool{len(a.IDs) > 0, len(a.UIDs) > 0, len(a.Groups) > 0, a.All} {
		if set {
			n++
		}
	}
	if n != 1 {
		return errors.New(`it has to be said for whom it is, by one of "ids", "uids", "groups" and "all"`)
	}
	return nil
}

// String is the audience in a line for the log, which names the first of many.
func (a *Audience) String() string {
	if a.Realm == "" {
		return a.names()
	}
	return fmt.Sprintf("%s of the realm %.100q", a.names(), a.Realm)
}

func (a *Audience) names() string {
	for _, by := range []struct {
		what  string
		names []string
	}{{"connection", a.IDs}, {"user", a.UIDs}, {"group", a.Groups}} {
		switch n := len(by.names); {
		case n == 1:
			return fmt.Sprintf("%s %.100q", by.what, by.names[0])
		case n > 1:
			return fmt.Sprintf("%s %.100q and %d more", by.what, by.names[0], n-1)
		}
	}
	return "all"
}

// Message is sent to each of its audience, once.
type Message struct {
	Audience
	Bytes  []byte `json:"bytes"` // in base64
	Binary bool   `json:"binary,omitempty"`
}

// Closing closes each of its audience, after what was sent to it before. Code and reason are as in SPEC.md §10.3.
type Closing struct {
	Audience
	Code   int    `json:"code,omitempty"` // 0 is 1000
	Reason string `json:"reason,omitempty"`
}

// Reached is what came of a [Message] or a [Closing].
type Reached struct {
	Connections int            `json:"connections"`       // how many it was for
	Missing     []string       `json:"missing,omitempty"` // ids that no open connection has
	Realms      map[string]int `json:"realms,omitempty"`  // how many of them in each, where there are several
}

const (
	// MaxMessage is the largest message that can be sent by the API.
	MaxMessage = 16 << 20
	maxSend    = MaxMessage/3*4 + maxRequest
)

func (s *Server) connections(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	for name := range query {
		if name != "realm" && name != "group" && name != "uid" && name != "protocol" {
			refuse(w, http.StatusBadRequest,
				fmt.Errorf("connections are chosen by realm, group, uid and protocol, not by %q", name))
			return
		}
	}
	f := Filter{Realm: query.Get("realm"), Group: query.Get("group"), UID: query.Get("uid"),
		Protocol: query.Get("protocol")}
	all := slices.DeleteFunc(s.host.Connections(), func(c Connection) bool { return !f.fits(&c) })
	slices.SortFunc(all, func(a, b Connection) int {
		if n := a.Since.Compare(b.Since); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := bufio.NewWriterSize(w, 32<<10)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for i := range all {
		if encoder.Encode(&all[i]) != nil {
			return // the client has gone
		}
	}
	out.Flush()
}

func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	var m Message
	if !readUpTo(w, r, &m, maxSend) {
		return
	}
	if len(m.Bytes) > MaxMessage {
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Errorf(
			"the message has %d bytes; at most %d can be sent in this way", len(m.Bytes), MaxMessage))
		return
	}
	s.reach(w, r, "send", &m.Audience, func() (Reached, error) { return s.host.Send(m) }, "bytes", len(m.Bytes))
}

func (s *Server) close(w http.ResponseWriter, r *http.Request) {
	var c Closing
	if !readUpTo(w, r, &c, maxRequest) {
		return
	}
	s.reach(w, r, "close", &c.Audience, func() (Reached, error) {
		return s.host.Hangup(c)
	}, "code", c.Code, "reason", c.Reason)
}

func (s *Server) reach(w http.ResponseWriter, r *http.Request, act string, a *Audience, do func() (Reached, error),
	details ...any) {
	var done Reached
	err := a.Check()
	if err == nil {
		done, err = do()
	}
	s.audit(r, act, err, append(details, "to", a.String(), "connections", done.Connections)...)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusOK, done)
}

// Connections asks for the connections that the filter chooses, the oldest first, and calls each with one after the
// other, and with its line of JSON, which is valid during the call only. The first error of each ends it.
func (c *Client) Connections(ctx context.Context, f Filter, each func(c Connection, line []byte) error) error {
	query := url.Values{}
	for name, value := range map[string]string{
		"realm": f.Realm, "group": f.Group, "uid": f.UID, "protocol": f.Protocol,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	path := "/v1/connections"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	body, err := c.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	return readLines(ctx, c, body, each)
}

// Send sends a message to its audience.
func (c *Client) Send(ctx context.Context, m Message) (Reached, error) {
	return c.reach(ctx, "/v1/send", m)
}

// Hangup closes its audience.
func (c *Client) Hangup(ctx context.Context, h Closing) (Reached, error) {
	return c.reach(ctx, "/v1/close", h)
}

func (c *Client) reach(ctx context.Context, path string, request any) (done Reached, err error) {
	data, err := json.Marshal(request)
	if err != nil {
		return done, err
	}
	body, err := c.ask(ctx, http.MethodPost, path, data)
	if err != nil {
		return done, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&done); err != nil {
		return done, fmt.Errorf("what answers at %s is no host: %w", c.path, err)
	}
	return done, nil
}
