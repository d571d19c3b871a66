// server.go answers commands on a claimed socket.

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Host is what the server steers. Its methods are called from many goroutines at once.
type Host interface {
	Status() Status
	Version() Version
	// Reload begins to reload the pools, all of them if none is named, one after the other, and returns at once. An
	// unknown name fails it before anything is changed, with an [UnknownPool]; another error says why no reload is
	// possible now.
	Reload(r Reload) (*Account, error)
	// Try begins to try the newest code and configuration without changing anything. Names and errors are as in
	// Reload.
	Try(r Reload) (*Account, error)
	// Rollback begins to lead the pools back to what they ran before, all or none, and is otherwise as Reload.
	Rollback(r Rollback) (*Account, error)
	// Abort ends the reload under way after the workers at hand, and those that wait for it. The account is the
	// former's.
	Abort() (*Account, error)
	// Promote ends the canary under way as one that went well. The account is the reload's.
	Promote() (*Account, error)
	// Upgrade begins to replace this host by another process, and is otherwise as Reload.
	Upgrade(u Upgrade) (*Account, error)
	// Connections lists the long-lived connections that are open, in any order. The list is the caller's.
	Connections() []Connection
	// Releases is the journal of what went live, in the order in which that ended. The list is the caller's.
	Releases() ([]Release, error)
	// Send and Hangup reach those of their audience that are open now. An error says what can't be done, and that
	// nothing was.
	Send(m Message) (Reached, error)
	Hangup(c Closing) (Reached, error)
	// Profile takes a profile, and waits for it. Ending ctx ends it. An unknown name of a pool is an [UnknownPool];
	// another error says why there is none.
	Profile(ctx context.Context, o ProfileOrder) (Profile, error)
	// Cron lists the entries of [[cron]], in their order. The list is the caller's.
	Cron() []CronEntry
	// RunCron runs an entry now, and waits for its end; the end of ctx is the end of waiting. An unknown name is an
	// [Unknown]; another error says why it does not run.
	RunCron(ctx context.Context, name string) (CronRun, error)
	// RestartService restarts a service, and waits until its next process was started. Errors are as in RunCron.
	RestartService(ctx context.Context, name string) (Service, error)
	// Stop begins to stop the host, at once if now is true, also when a graceful stop is under way. It does not wait.
	// stopped is closed when everything but the control socket has ended.
	Stop(now bool) (stopped <-chan struct{})
	// Faults are the kinds of requests and events that failed, of a pool or, for "", of all of them.
	Faults(pool string) (Faults, error)
	// Fault is one that is kept; without one there is an error.
	Fault(id string) (Fault, error)
	// Replay asks the newest code what failed, and waits for what it answers. Ending ctx ends it.
	Replay(ctx context.Context, r Replay) (Replayed, error)
	TaskHost
	MaintenanceHost
	CacheHost
	// Hosts lists the hosts of the cluster, this one first; nil: it is in none.
	Hosts() []ClusterHost
	// Elsewhere has the host of a station carry an order out, and calls part with what it answers. The first error of
	// part, and the end of ctx, end the waiting.
	Elsewhere(ctx context.Context, station string, o Order, part func(Part) error) error
	// Audit notes who asked for what.
	Audit(Record)
}

// UnknownPool is the name of a pool that the host doesn't have.
type UnknownPool struct {
	Name  string
	Known []string
}

// Error lists the pools there are.
func (u *UnknownPool) Error() string {
	return fmt.Sprintf("there is no pool %q; the pools are: %s; nothing was changed", u.Name,
		strings.Join(u.Known, ", "))
}

// maxRequest bounds what a client may send.
const maxRequest = 64 << 10

// maxReload bounds what a reload is asked for, which may bring the requests of a rehearsal.
const maxReload = 4 << 20

// Server serves the control API. Serve and Close are called once each.
type Server struct {
	host     Host
	steer    http.Handler // for those who may
	doors    []door       // the socket, TCP, or both
	closing  atomic.Bool
	left     atomic.Bool   // by Leave
	released chan struct{} // closed by Close: the socket is free for another host
}

// door is a listener, and what answers at it.
type door struct {
	net.Listener
	http *http.Server
}

// NewServer takes the claim over; Close releases it. Without a claim, nil, there has to be an Open.
func NewServer(claim *Claim, host Host) *Server {
	s := &Server{host: host, released: make(chan struct{})}
	mux := http.NewServeMux()
	routes := map[string]http.HandlerFunc{
		"GET /v1/status": s.needs(MayStatus, func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, http.StatusOK, host.Status())
		}),
		"GET /v1/version": s.needs(MayStatus, func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, http.StatusOK, host.Version())
		}),
		"POST /v1/reload":   s.needs(MayReload, s.account("reload", host.Reload)),
		"POST /v1/try":      s.needs(MayReload, s.account("try", host.Try)),
		"POST /v1/rollback": s.needs(MayReload, s.rollback),
		"POST /v1/abort": s.needs(MayReload, s.account("abort", func(Reload) (*Account, error) {
			return host.Abort()
		})),
		"GET /v1/releases": s.needs(MayStatus, s.releases),
		"GET /v1/hosts":    s.needs(MayStatus, s.hosts),
		"POST /v1/promote": s.needs(MayReload, s.account("promote", func(Reload) (*Account, error) {
			return host.Promote()
		})),
		"GET /v1/connections":      s.needs(MayConnections, s.connections),
		"POST /v1/send":            s.needs(MayConnections, s.send),
		"POST /v1/close":           s.needs(MayConnections, s.close),
		"POST /v1/stop":            s.needs(MayStop, s.stop),
		"POST /v1/upgrade":         s.needs(MayUpgrade, s.ownersOnly(s.upgrade)),
		"GET /v1/cron":             s.needs(MayStatus, s.cron),
		"POST /v1/cron/run":        s.needs(MayRun, s.ownersOnly(s.runCron)),
		"POST /v1/service/restart": s.needs(MayRun, s.ownersOnly(s.restartService)),
		"POST /v1/profile":         s.needs(MayProfile, s.ownersOnly(s.profile)),
		"GET /v1/faults":           s.needs(MayFaults, s.ownersOnly(s.faults)),
		"GET /v1/faults/{id}":      s.needs(MayFaults, s.ownersOnly(s.fault)),
		"POST /v1/replay":          s.needs(MayReplay, s.ownersOnly(s.replay)),
	}
	maps.Copy(routes, s.taskRoutes())
	maps.Copy(routes, s.maintenanceRoutes())
	maps.Copy(routes, s.cacheRoutes())
	for route, do := range routes {
		mux.HandleFunc(route, do)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Errorf("there is no %s %s; there are %s", r.Method, r.URL.Path,
			strings.Join(slices.Sorted(maps.Keys(routes)), ", ")))
	})
	s.steer = s.unlessLeft(mux)
	if claim != nil {
		s.doors = append(s.doors, door{claim, &http.Server{Handler: s.forPeers(claim.Group, s.steer),
			ConnContext: notePeer, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}})
	}
	return s
}

// Open takes a listener over, too, where whoever has one of the tokens may steer the host, as far as that has the
// right. Call it before Serve, at most once. Without a token it fails, and the listener stays the caller's.
func (s *Server) Open(tcp net.Listener, tokens []Token) error {
	if len(tokens) == 0 || slices.ContainsFunc(tokens, func(t Token) bool { return t.Secret == "" }) {
		return errors.New("control: a TCP listener needs a token")
	}
	s.doors = append(s.doors, door{tcp, &http.Server{Handler: s.forTokens(tokens, s.steer),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}})
	return nil
}

// Serve answers until Close, and then returns nil.
func (s *Server) Serve() error {
	failed := make(chan error, len(s.doors))
	for _, d := range s.doors {
		go func() { // ends with Close
			err := d.http.Serve(d.Listener)
			// Close, and a host that takes over, take the listener away under it
			if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) || s.closing.Load() {
				err = nil
			}
			failed <- err
		}()
	}
	for range s.doors {
		if err := <-failed; err != nil {
			return err // the caller's Close ends the other
		}
	}
	return nil
}

// Close releases the socket, lets answers under way end for a moment, and cuts what is left. Whoever waits in a stop
// learns by the end of its connection that the host has gone and that the socket is free.
func (s *Server) Close() {
	s.closing.Store(true)
	for _, d := range s.doors {
		d.Close()
	}
	close(s.released)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, d := range s.doors {
		if d.http.Shutdown(ctx) != nil {
			d.http.Close()
		}
	}
}

// account answers with what begin begins, as it happens.
func (s *Server) account(act string, start func(Reload) (*Account, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body Reload
		if !readUpTo(w, r, &body, maxReload) {
			return
		}
		if body.Pace < 0 {
			refuse(w, http.StatusBadRequest, errors.New("pace_ms can't be negative"))
			return
		}
		body.By = by(r)
		if body.Deploy != nil && !s.atHand(w, r, act) {
			return
		}
		account, err := start(body)
		var details []any
		if len(body.Pools) > 0 {
			details = []any{"pools", body.Pools}
		}
		if body.Each {
			details = append(details, "each", true)
		}
		if body.Canary != nil && body.Canary.Off {
			details = append(details, "canary", "off")
		}
		if body.Deploy != nil {
			details = append(details, "deploy", body.Deploy.Folder)
		}
		if body.Shadow != nil {
			details = append(details, "shadow", body.Shadow.Share)
		}
		if body.Rehearse != nil {
			details = append(details, "rehearsed", len(body.Rehearse.Requests))
		}
		s.audit(r, act, err, details...)
		tellAccount(w, r, account, err)
	}
}

func (s *Server) rollback(w http.ResponseWriter, r *http.Request) {
	var body Rollback
	if !read(w, r, &body) {
		return
	}
	body.By = by(r)
	account, err := s.host.Rollback(body)
	var details []any
	if len(body.Pools) > 0 {
		details = append(details, "pools", body.Pools)
	}
	if body.Generation > 0 {
		details = append(details, "generation", body.Generation)
	}
	s.audit(r, "rollback", err, details...)
	tellAccount(w, r, account, err)
}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	var body Upgrade
	if !read(w, r, &body) {
		return
	}
	body.By = by(r)
	account, err := s.host.Upgrade(body)
	var details []any
	if body.Binary != "" {
		details = append(details, "binary", body.Binary)
	}
	s.audit(r, "upgrade", err, details...)
	tellAccount(w, r, account, err)
}

// tellAccount answers with an account as it happens, or with why there is none.
func tellAccount(w http.ResponseWriter, r *http.Request, account *Account, err error) {
	var unknown *UnknownPool
	switch {
	case errors.As(err, &unknown):
		refuse(w, http.StatusNotFound, err)
	case err != nil:
		refuse(w, http.StatusConflict, err)
	default:
		account.Follow(r.Context(), lines(w)) // an error means that the client has gone; what was begun goes on
	}
}

func (s *Server) stop(w http.ResponseWriter, r *http.Request) {
	var body stopRequest
	if !read(w, r, &body) {
		return
	}
	began := time.Now()
	inflight := 0
	for _, p := range s.host.Status().Pools {
		inflight += p.Queued + p.Waiting
		for _, worker := range p.Workers {
			inflight += worker.Inflight
		}
	}
	s.audit(r, "stop", nil, "now", body.Now)
	stopped := s.host.Stop(body.Now)
	tell := lines(w)
	if tell(Event{Kind: Stopping, Inflight: inflight}) != nil {
		return
	}
	select {
	case <-stopped:
	case <-r.Context().Done(): // the client has gone; the stop goes on
		return
	}
	if tell(Event{Kind: Stopped, Took: Millis(time.Since(began))}) == nil {
		<-s.released
	}
}

// lines begins a stream of one JSON object a line.
func lines(w http.ResponseWriter) func(Event) error {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	out.Flush()
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return func(e Event) error {
		if err := encoder.Encode(e); err != nil {
			return err
		}
		return out.Flush()
	}
}

// read takes a request's body, which may be empty. It answers itself what can't be read.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	return readUpTo(w, r, into, maxRequest)
}

func readUpTo(w http.ResponseWriter, r *http.Request, into any, most int64) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		refuse(w, http.StatusBadRequest,
			fmt.Errorf("the body of %s is one JSON object, such as %s: %w", r.URL.Path, example(into), err))
		return false
	}
	return true
}

func example(into any) string {
	switch into.(type) {
	case *Reload:
		return `{"pools": ["web"]}`
	case *Rollback:
		return `{"pools": ["web"], "generation": 7}`
	case *Upgrade:
		return `{"binary": "/usr/local/bin/host"}`
	case *Replay:
		return `{"id": "f12"}`
	case *ProfileOrder:
		return `{"pool": "web", "kind": "cpu", "seconds": 10}`
	case *Message:
		return `{"all": true, "bytes": "aGVsbG8="}`
	case *Named:
		return `{"name": "nightly"}`
	case *TaskOrder:
		return `{"queue": "emails"}`
	case *CachePurge:
		return `{"tags": ["front"]}`
	case *Closing:
		return `{"ids": ["5kq2wz7d-1f"], "code": 1000}`
	default:
		return `{"now": false}`
	}
}

func refuse(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, problem{Error: err.Error(), Outcome: outcomeOf(status, err)})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.Encode(body) // an error means that the client has gone
}

// Millis is a duration in milliseconds, to the microsecond, as the API has it.
func Millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Seconds is a duration in seconds, to the millisecond, as the API has it.
func Seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
