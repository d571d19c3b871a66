// releases.go: what went live when, as the host's journal has it.

package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Release is a reload, or a start of the host, that has ended.
type Release struct {
	Time time.Time `json:"time"` // when it began
	// Act is "start", "reload", "rollback", "upgrade" or "shadow", which changes nothing
	Act     string     `json:"act"`
	By      []By       `json:"by"` // several, if they asked for the same while another reload was under way
	Chosen  []string   `json:"chosen,omitempty"`
	Each    bool       `json:"each,omitempty"`
	Outcome Outcome    `json:"outcome"`
	What    string     `json:"what,omitempty"`  // came of it, and is to be done, unless it is done
	Error   string     `json:"error,omitempty"` // why the configuration is not applied
	Took    float64    `json:"took_ms"`
	Pools   []Released `json:"pools,omitempty"`
	Changes []string   `json:"changes,omitempty"`        // of settings, and of what else the configuration has
	Version string     `json:"version"`                  // of the host
	Before  string     `json:"version_before,omitempty"` // of the host that an upgrade has replaced
}

// By is who asked for something. Message is why, in their own words.
type By struct {
	How     string `json:"how"`             // "socket", "tcp", "signal", "watch" or "start"
	User    string `json:"user,omitempty"`  // at the socket; at a start, the host's own
	Login   string `json:"login,omitempty"` // who logged in at first, if that is known and another one
	Address string `json:"address,omitempty"`
	Token   string `json:"token,omitempty"` // its name
	Signal  string `json:"signal,omitempty"`
	Message string `json:"message,omitempty"`
}

// Released is what came of a pool.
type Released struct {
	Pool string `json:"pool"`
	// as the event that says so: completed, failed, put_back, stays, skipped, aborted, kept, pool_added or
	// shadow_over
	Result     Kind    `json:"result"`
	Generation uint64  `json:"generation,omitempty"` // that it was to run
	Directory  string  `json:"directory,omitempty"`
	Pinned     bool    `json:"pinned,omitempty"` // Directory was reached by a symlink
	Commit     string  `json:"commit,omitempty"` // of Directory, if that is a git checkout
	Replaced   int     `json:"replaced,omitempty"`
	Took       float64 `json:"took_ms,omitempty"`
	Error      string  `json:"error,omitempty"` // why it failed, or could not be put back
	Gates      []Gate  `json:"gates,omitempty"`
	Canary     *Canary `json:"canary,omitempty"` // what was seen of its canary, without how it went over time
	Shadow     *Shadow `json:"shadow,omitempty"` // what a shadow has found, without examples
}

// Gate is a command that a reload had to pass.
type Gate struct {
	Gate    string  `json:"gate"` // before or after
	Command string  `json:"command"`
	Took    float64 `json:"took_ms"`
	Error   string  `json:"error,omitempty"` // why it was not passed
}

// by is who sent the request.
func by(r *http.Request) By {
	a := askerOf(r)
	b := By{How: "socket", User: a.User, Login: a.Login, Address: a.Address, Token: a.Token,
		Message: r.Header.Get(messageHeader)}
	if a.Address != "" {
		b.How = "tcp"
	}
	return b
}

func (s *Server) releases(w http.ResponseWriter, _ *http.Request) {
	all, err := s.host.Releases()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for i := range all {
		if encoder.Encode(&all[i]) != nil {
			return // the client has gone
		}
	}
}

// Releases asks for the host's journal, and calls each with one entry after the other, the latest last. The first
// error of each ends it.
func (c *Client) Releases(ctx context.Context, each func(Release) error) error {
	body, err := c.ask(ctx, http.MethodGet, "/v1/releases", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	return readLines(ctx, c, body, func(r Release, _ []byte) error { return each(r) })
}
