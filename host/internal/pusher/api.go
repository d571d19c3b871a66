// The HTTP API: what servers of the application ask and send.

package pusher

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

const (
	maxChannels = 100 // that an event may go to
	maxBatch    = 10  // events
)

// failure is an answer that is none: a status, and why.
type failure struct {
	status int
	why    string
}

func fail(status int, format string, about ...any) *failure {
	return &failure{status, fmt.Sprintf(format, about...)}
}

// internal is what went wrong here.
func internal(err error) *failure { return fail(500, "%v", err) }

// request is one of the API that has been found to be the application's.
type request struct {
	app      *App
	settings *Settings
	query    url.Values
	body     []byte
}

// answer gives what the request asks for, as JSON.
func (a *App) answer(m *protocol.Request, body []byte) (any, *failure) {
	s := a.settings.Load()
	path, text, _ := strings.Cut(m.Target, "?")
	rest, ok := strings.CutPrefix(path, "/apps/")
	id, rest, more := strings.Cut(rest, "/")
	if !ok || !more {
		return nil, fail(404, "there is nothing here: the HTTP API is below /apps/%s/, and WebSockets are at /app/KEY",
			s.ID)
	}
	if id, _ = url.PathUnescape(id); id != s.ID {
		return nil, fail(404, "there is no app %.100q here", id)
	}
	query, err := url.ParseQuery(text)
	if err != nil {
		return nil, fail(400, "the query can't be read: %v", err)
	}
	if why := s.allows(m.Method, path, query, body, time.Now()); why != "" {
		return nil, fail(401, "%s", why)
	}
	return (&request{a, s, query, body}).route(m.Method, strings.Split(rest, "/"))
}

// route finds what is asked for.
func (r *request) route(method string, path []string) (any, *failure) {
	for i := range path {
		var err error
		if path[i], err = url.PathUnescape(path[i]); err != nil {
			return nil, fail(400, "the path can't be read: %v", err)
		}
	}
	wanted, answer := "GET", func() (any, *failure) { return nil, nil }
	switch shape := len(path); {
	case shape == 1 && path[0] == "events":
		wanted, answer = "POST", r.trigger
	case shape == 1 && path[0] == "batch_events":
		wanted, answer = "POST", r.batch
	case shape == 1 && path[0] == "channels":
		answer = r.channels
	case shape == 2 && path[0] == "channels":
		answer = func() (any, *failure) { return r.channel(path[1]) }
	case shape == 3 && path[0] == "channels" && path[2] == "users":
		answer = func() (any, *failure) { return r.users(path[1]) }
	case shape == 3 && path[0] == "users" && path[2] == "terminate_connections":
		wanted, answer = "POST", func() (any, *failure) { return r.terminate(path[1]) }
	default:
		return nil, fail(404, "there is no %s in the HTTP API of this host", strings.Join(path, "/"))
	}
	if method != wanted {
		return nil, fail(405, "it takes a %s", wanted)
	}
	return answer()
}

// triggered is an event for channels.
type triggered struct {
	Name     string   `json:"name"`
	Data     *string  `json:"data"`
	Channel  string   `json:"channel"`
	Channels []string `json:"channels"`
	Socket   string   `json:"socket_id"`
	Info     string   `json:"info"`
}

// check says what is wrong with an event, and gives its channels.
func (r *request) check(e *triggered) (channels []string, no *failure) {
	if channels = e.Channels; e.Channel != "" {
		channels = append(slices.Clone(channels), e.Channel)
	}
	switch {
	case e.Name == "" || len(e.Name) > maxEvent:
		return nil, fail(400, "name: an event's has 1 to %d bytes", maxEvent)
	case e.Data == nil:
		return nil, fail(400, "data is missing: it has to be text")
	case len(*e.Data) > r.settings.MaxEvent:
		return nil, fail(413, "the data of an event has at most %d bytes, and this has %d", r.settings.MaxEvent,
			len(*e.Data))
	case len(channels) == 0 || len(channels) > maxChannels:
		return nil, fail(400, "an event is for 1 to %d channels, and this one for %d", maxChannels, len(channels))
	}
	for _, c := range channels {
		if kindOf(c) == none {
			return nil, fail(400, "%.200q is no name of a channel", c)
		}
	}
	return channels, nil
}

// acts are the SENDs of an event.
func (r *request) acts(e *triggered) (acts []protocol.Act, channels []string, no *failure) {
	if channels, no = r.check(e); no != nil {
		return nil, nil, no
	}
	var except []string
	if e.Socket != "" {
		id, ok := idOf(e.Socket)
		if !ok {
			return nil, nil, fail(400, "socket_id: %.100q is none", e.Socket)
		}
		except = []string{id}
	}
	for _, c := range channels {
		acts = append(acts, &protocol.Send{To: protocol.ToGroups, Names: []string{r.app.group(c)}, Except: except,
			Bytes: encode(event{Event: e.Name, Channel: c, Data: *e.Data})})
	}
	return acts, channels, nil
}

// read decodes the body.
func (r *request) read(into any) *failure {
	if err := json.Unmarshal(r.body, into); err != nil {
		return fail(400, "the body is not the JSON that it should be: %v", err)
	}
	return nil
}

// trigger sends an event.
func (r *request) trigger() (any, *failure) {
	var e triggered
	if no := r.read(&e); no != nil {
		return nil, no
	}
	acts, channels, no := r.acts(&e)
	if no != nil {
		return nil, no
	}
	if err := r.app.commit(nil, acts...); err != nil {
		return nil, internal(err)
	}
	if e.Info == "" {
		return struct{}{}, nil
	}
	all := map[string]any{}
	for _, c := range channels {
		about, no := r.about(c, e.Info)
		if no != nil {
			return nil, no
		}
		all[c] = about
	}
	return map[string]any{"channels": all}, nil
}

// batch sends several events: all of them, or none.
func (r *request) batch() (any, *failure) {
	var in struct {
		Batch []triggered `json:"batch"`
	}
	if no := r.read(&in); no != nil {
		return nil, no
	}
	if len(in.Batch) > maxBatch {
		return nil, fail(400, "a batch has at most %d events, and this one %d", maxBatch, len(in.Batch))
	}
	var all []protocol.Act
	for i := range in.Batch {
		acts, _, no := r.acts(&in.Batch[i])
		if no != nil {
			return nil, fail(no.status, "event %d: %s", i+1, no.why)
		}
		all = append(all, acts...)
	}
	if err := r.app.commit(nil, all...); err != nil {
		return nil, internal(err)
	}
	infos, asked := []any{}, false
	for i := range in.Batch {
		e := &in.Batch[i]
		var info any = struct{}{}
		if e.Info != "" {
			about, no := r.about(append(slices.Clone(e.Channels), e.Channel)[0], e.Info)
			if no != nil {
				return nil, no
			}
			info, asked = about, true
		}
		infos = append(infos, info)
	}
	if !asked {
		return struct{}{}, nil
	}
	return map[string]any{"batch": infos}, nil
}

// terminate closes the connections of a user that has signed in.
func (r *request) terminate(user string) (any, *failure) {
	if user == "" || len(user) > maxUser {
		return nil, fail(400, "a user's id has 1 to %d bytes", maxUser)
	}
	err := r.app.commit(nil, &protocol.Hangup{To: protocol.ToUsers, Names: []string{r.app.group(user)},
		Code: codeNotAllowed, Reason: "the application has ended it"})
	if err != nil {
		return nil, internal(err)
	}
	return struct{}{}, nil
}
