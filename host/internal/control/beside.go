// beside.go: what runs beside the workers, services and cron.

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Service is a program of [service.NAME].
type Service struct {
	Name      string  `json:"name"`
	Command   string  `json:"command"` // secrets in it are masked by their names
	Pool      string  `json:"pool,omitempty"`
	Realm     string  `json:"realm,omitempty"` // "" is "default"
	State     string  `json:"state"`           // running, backing-off, stopping or stopped
	PID       int     `json:"pid"`             // 0 while there is no process
	Uptime    float64 `json:"uptime_seconds"`
	Restarts  int     `json:"restarts"`
	Restarted string  `json:"restarted,omitempty"` // why the last process ended, or could not be started
	Memory    int64   `json:"memory_bytes"`        // resident, of it and all that it has started; 0 where it can't be known
}

// CronEntry is a [[cron]].
type CronEntry struct {
	Name     string     `json:"name"`
	What     string     `json:"what"`
	Schedule string     `json:"schedule"`
	Zone     string     `json:"time_zone"`
	Next     *time.Time `json:"next,omitempty"` // without its jitter; absent: there is none
	Running  int        `json:"running"`        // runs under way
	Runs     uint64     `json:"runs"`           // that are over, since the entry came
	Failed   uint64     `json:"failed"`         // of them
	Skipped  uint64     `json:"skipped"`        // runs left out, since the one before was under way
	Missed   uint64     `json:"missed"`         // likewise, since their time was over
	History  []CronRun  `json:"history"`        // the latest first
}

// CronRun is a run that is over.
type CronRun struct {
	Began    time.Time `json:"began"`
	Took     float64   `json:"took_ms"`
	ByHand   bool      `json:"by_hand,omitempty"`
	CaughtUp bool      `json:"caught_up,omitempty"`
	Error    string    `json:"error,omitempty"`  // "" is that it went well
	Output   string    `json:"output,omitempty"` // its end; only for who may run it
}

// Named says which service or entry is meant.
type Named struct {
	Name string `json:"name"`
}

// Unknown is the name of something that the host doesn't have.
type Unknown struct {
	What, Name string
	Known      []string
}

// Error lists what there is.
func (u *Unknown) Error() string {
	if len(u.Known) == 0 {
		return fmt.Sprintf("there is no %s %q, nor any other; nothing was done", u.What, u.Name)
	}
	return fmt.Sprintf("there is no %s %q; there are: %s; nothing was done", u.What, u.Name,
		strings.Join(u.Known, ", "))
}

func (s *Server) cron(w http.ResponseWriter, r *http.Request) {
	all := s.host.Cron()
	if token, remote := r.Context().Value(tokenKey{}).(*Token); remote && !token.may(MayRun) || !remote && !owns(r) {
		for _, e := range all {
			for i := range e.History {
				e.History[i].Output = ""
			}
		}
	}
	writeJSON(w, http.StatusOK, all)
}

func (s *Server) runCron(w http.ResponseWriter, r *http.Request) {
	named(s, w, r, "cron run", s.host.RunCron)
}

func (s *Server) restartService(w http.ResponseWriter, r *http.Request) {
	named(s, w, r, "service restart", s.host.RestartService)
}

// named does something with what the body names, and answers with what came of it.
func named[T any](s *Server, w http.ResponseWriter, r *http.Request, act string,
	do func(context.Context, string) (T, error)) {
	var body Named
	if !read(w, r, &body) {
		return
	}
	made, err := do(r.Context(), body.Name)
	s.audit(r, act, err, "name", body.Name)
	var unknown *Unknown
	switch {
	case errors.As(err, &unknown):
		refuse(w, http.StatusNotFound, err)
	case err != nil:
		refuse(w, http.StatusConflict, err)
	default:
		writeJSON(w, http.StatusOK, made)
	}
}

// Cron lists the entries.
func (c *Client) Cron(ctx context.Context) (all []CronEntry, err error) {
	return all, c.get(ctx, "/v1/cron", &all)
}

// RunCron runs an entry now, and waits for its end. Ending ctx leaves it running.
func (c *Client) RunCron(ctx context.Context, name string) (run CronRun, err error) {
	return run, c.name(ctx, "/v1/cron/run", name, &run)
}

// RestartService restarts a service, and waits until its next process was started.
func (c *Client) RestartService(ctx context.Context, name string) (v Service, err error) {
	return v, c.name(ctx, "/v1/service/restart", name, &v)
}

func (c *Client) name(ctx context.Context, path, name string, into any) error {
	data, err := json.Marshal(Named{name})
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
