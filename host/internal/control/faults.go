// faults.go: requests and events that failed, and what new code makes of them.

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Faults are the kinds of what failed, those that came last first.
type Faults struct {
	Keep      int         `json:"keep"` // how many are kept at most; 0: none are
	Kinds     []FaultKind `json:"kinds"`
	Forgotten int         `json:"forgotten,omitempty"` // kinds that were dropped for newer ones
}

// FaultKind is what failed in one way.
type FaultKind struct {
	Pool       string    `json:"pool"`
	What       string    `json:"what"`              // "status 500", "failed" (an event), "worker died", "request timeout", …
	Message    string    `json:"message,omitempty"` // the latest
	Place      string    `json:"place,omitempty"`   // file:line
	Count      int       `json:"count"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Generation uint64    `json:"generation,omitempty"` // the first that it was seen of
	New        bool      `json:"new,omitempty"`        // older code was watched, and never failed so
	IDs        []string  `json:"ids"`                  // of those that are kept, the latest first
}

// Fault is a request or an event that failed, without secrets in its head.
type Fault struct {
	ID         string        `json:"id"`
	Pool       string        `json:"pool"`
	Time       time.Time     `json:"time"`
	Took       float64       `json:"took_ms"`
	Generation uint64        `json:"generation,omitempty"`
	Worker     int           `json:"worker"` // its slot
	What       string        `json:"what"`
	Message    string        `json:"message,omitempty"`
	Place      string        `json:"place,omitempty"`
	Trace      string        `json:"trace,omitempty"`
	Log        []string      `json:"log,omitempty"` // further errors that its worker logged
	Name       string        `json:"name"`          // "GET /path", "MESSAGE of websocket"
	RequestID  string        `json:"request_id,omitempty"`
	Request    *FaultRequest `json:"request,omitempty"` // none: it is an event
	Body       []byte        `json:"body,omitempty"`    // its beginning, in base64, if bodies are kept
	Length     int64         `json:"length"`            // of the whole body, as far as it came
}

// FaultRequest is a request's head.
type FaultRequest struct {
	Method  string   `json:"method"`
	Target  string   `json:"target"`
	Version string   `json:"version"`
	Scheme  string   `json:"scheme"`
	Host    string   `json:"host"`
	Remote  string   `json:"remote"`
	Headers []string `json:"headers"` // name, value, name, value, …
	Form    bool     `json:"form,omitempty"`
}

// Replay says what is to be asked once more, and of whom.
type Replay struct {
	ID      string   `json:"id,omitempty"`      // of a fault that this host keeps
	Fault   *Fault   `json:"fault,omitempty"`   // or another host's
	Pool    string   `json:"pool,omitempty"`    // whose newest code is asked; "" is the fault's
	Headers []string `json:"headers,omitempty"` // name, value, …: in place of those of their names
	Body    []byte   `json:"body,omitempty"`    // in place of what is kept
	Acts    bool     `json:"acts,omitempty"`    // what the code asks of the host is done
	Debug   bool     `json:"debug,omitempty"`   // the worker has Xdebug's step debugger on, and no time-out
}

// Replayed is what came of it.
type Replayed struct {
	ID         string         `json:"id"`
	Pool       string         `json:"pool"`
	Directory  string         `json:"directory"`
	Before     string         `json:"before"`         // what went wrong then
	What       string         `json:"what,omitempty"` // goes wrong now; "": nothing
	Same       bool           `json:"same,omitempty"` // it fails as it did
	Status     int            `json:"status,omitempty"`
	Headers    []string       `json:"headers,omitempty"`
	Body       []byte         `json:"body,omitempty"` // its beginning, in base64
	Length     int64          `json:"length"`
	Message    string         `json:"message,omitempty"`
	Trace      string         `json:"trace,omitempty"`
	Took       float64        `json:"took_ms"`
	Refused    map[string]int `json:"refused,omitempty"` // what the code asked of the host in vain
	Generation uint64         `json:"generation"`        // of the worker, which serves nobody
}

// maxFault bounds a fault that a client sends.
const maxFault = 1 << 20

func (s *Server) faults(w http.ResponseWriter, r *http.Request) {
	all, err := s.host.Faults(r.URL.Query().Get("pool"))
	answer(w, all, err)
}

func (s *Server) fault(w http.ResponseWriter, r *http.Request) {
	f, err := s.host.Fault(r.PathValue("id"))
	answer(w, f, err)
}

func (s *Server) replay(w http.ResponseWriter, r *http.Request) {
	var o Replay
	if !readUpTo(w, r, &o, maxFault) {
		return
	}
	if (o.ID == "") == (o.Fault == nil) || len(o.Headers)%2 != 0 {
		refuse(w, http.StatusBadRequest, errors.New("either id or fault is needed; headers are names and values"))
		return
	}
	came, err := s.host.Replay(r.Context(), o)
	if err != nil && r.Context().Err() != nil {
		err = errAskerLeft
	}
	if o.Fault != nil {
		o.ID = o.Fault.ID + " of another host"
	}
	details := []any{"fault", o.ID}
	if o.Pool != "" {
		details = append(details, "pool", o.Pool)
	}
	if o.Acts {
		details = append(details, "acts", true)
	}
	s.audit(r, "replay", err, details...)
	answer(w, came, err)
}

// answer is what was asked for, or why there is none.
func answer(w http.ResponseWriter, value any, err error) {
	var unknown *UnknownPool
	var none *UnknownFault
	var other *Unknown
	switch {
	case errors.As(err, &unknown), errors.As(err, &none), errors.As(err, &other):
		refuse(w, http.StatusNotFound, err)
	case err != nil:
		refuse(w, http.StatusConflict, err)
	default:
		writeJSON(w, http.StatusOK, value)
	}
}

// UnknownFault is the id of a fault that the host does not have.
type UnknownFault struct{ ID string }

// Error says where to look.
func (u *UnknownFault) Error() string {
	return fmt.Sprintf("there is no fault %q: host faults lists those that are kept, the latest ones", u.ID)
}

// Faults asks for the kinds of what failed, of a pool or, for "", of all.
func (c *Client) Faults(ctx context.Context, pool string) (all Faults, err error) {
	path := "/v1/faults"
	if pool != "" {
		path += "?pool=" + url.QueryEscape(pool)
	}
	return all, c.get(ctx, path, &all)
}

// Fault asks for one that is kept.
func (c *Client) Fault(ctx context.Context, id string) (f Fault, err error) {
	return f, c.get(ctx, "/v1/faults/"+url.PathEscape(id), &f)
}

// Replay has what failed asked once more, and waits for what comes of it. Ending ctx ends it.
func (c *Client) Replay(ctx context.Context, o Replay) (came Replayed, err error) {
	return came, c.post(ctx, "/v1/replay", o, &came)
}

// post sends an order, and reads one JSON object.
func (c *Client) post(ctx context.Context, path string, order, into any) error {
	data, err := json.Marshal(order)
	if err != nil {
		return err
	}
	body, err := c.ask(ctx, http.MethodPost, path, data)
	if err != nil {
		return err
	}
	defer body.Close()
	switch err := json.NewDecoder(body).Decode(into); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrCutOff
	case err != nil:
		return fmt.Errorf("what answers at %s is no host: %w", c.path, err)
	}
	return nil
}
