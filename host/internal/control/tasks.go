// tasks.go: the queues of tasks, those that have failed, and what people do with them.

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// TaskHost is what the server asks of a host's queues.
type TaskHost interface {
	// TaskQueues lists the queues, by their names. The list is the caller's.
	TaskQueues(ctx context.Context) []TaskQueue
	// FailedTasks are the latest of a queue, or, for "", of all of them, most at most. An unknown name is an
	// [Unknown].
	FailedTasks(ctx context.Context, queue string, most int) (FailedTasks, error)
	// FailedTask is one that has failed; queue may be "" if its id is of one queue only. Without one there is an
	// [UnknownTask].
	FailedTask(ctx context.Context, queue, id string) (FailedTask, error)
	// ActOnTasks does what the order says. Errors are as in FailedTask.
	ActOnTasks(ctx context.Context, act TaskAct, o TaskOrder) (TasksDone, error)
}

// TaskAct is what is done to tasks.
type TaskAct string

// The acts.
const (
	RetryTasks  TaskAct = "retry"  // those that have failed are tried anew
	DeleteTasks TaskAct = "delete" // those that have failed are dropped
	PurgeQueue  TaskAct = "purge"  // all that wait are dropped
	PauseQueue  TaskAct = "pause"  // none begins, on any host
	ResumeQueue TaskAct = "resume"
)

// ofQueue says whether the act is of a whole queue, not of tasks that have failed.
func (a TaskAct) ofQueue() bool { return a == PurgeQueue || a == PauseQueue || a == ResumeQueue }

// TaskQueue is how a queue is. Where hosts are a cluster, it is one queue on all of them.
type TaskQueue struct {
	Name    string            `json:"name"`
	Pool    string            `json:"pool"`
	Paused  bool              `json:"paused"`
	Handled bool              `json:"handled"` // the pool's workers handle it
	Waiting int               `json:"waiting"` // tasks that may begin
	Delayed int               `json:"delayed"` // that may not begin yet
	Taken   int               `json:"taken"`   // that are under way on any host, or wait for their next attempt
	Running int               `json:"running"` // that workers of this host have
	Failed  int               `json:"failed"`  // that lie with the failed ones
	Oldest  *time.Time        `json:"oldest,omitempty"`
	Pushed  uint64            `json:"pushed"` // by workers of this host, since it started
	Ends    map[string]uint64 `json:"ends"`   // attempts, likewise, by how they ended
	Error   string            `json:"error,omitempty"`
}

// FailedTasks are some of the tasks that have failed, the latest first, without payloads and traces.
type FailedTasks struct {
	Tasks []FailedTask `json:"tasks"`
	Count int          `json:"count"` // how many there are
}

// FailedTask is a task that has failed.
type FailedTask struct {
	Queue    string    `json:"queue"`
	ID       string    `json:"id"`
	Key      string    `json:"key,omitempty"`
	Priority int       `json:"priority,omitempty"`
	Pushed   time.Time `json:"pushed"`
	Failed   time.Time `json:"failed"`
	Attempts int       `json:"attempts"`
	Bytes    int       `json:"bytes"` // of the payload
	Reason   string    `json:"reason"`
	Trace    string    `json:"trace,omitempty"`
	// Payload is as JSON can have it; nothing where it can't.
	Payload json.RawMessage `json:"payload,omitempty"`
	Encoded []byte          `json:"encoded,omitempty"` // the payload as MessagePack, in base64
}

// TaskOrder says what an act is for.
type TaskOrder struct {
	Queue string `json:"queue,omitempty"` // may be missing beside an id that only one queue has
	ID    string `json:"id,omitempty"`    // of a task that has failed
	All   bool   `json:"all,omitempty"`   // all of the queue that have failed
}

func (o *TaskOrder) check(act TaskAct) error {
	switch {
	case act.ofQueue() && (o.Queue == "" || o.ID != "" || o.All):
		return errors.New(`a queue is needed, and nothing else: {"queue": "emails"}`)
	case !act.ofQueue() && (o.ID == "") != o.All, !act.ofQueue() && o.All && o.Queue == "":
		return errors.New(`either an id is needed, or a queue and "all": {"queue": "emails", "all": true}`)
	}
	return nil
}

// TasksDone is what came of an act.
type TasksDone struct {
	Queue string `json:"queue"`
	Tasks int    `json:"tasks"` // how many it was done to
}

// UnknownTask is a task that is not there.
type UnknownTask struct{ ID string }

// Error says where to look.
func (u *UnknownTask) Error() string {
	return fmt.Sprintf("there is no task %q that has failed: host tasks failed lists them", u.ID)
}

// taskRoutes are the requests to answer.
func (s *Server) taskRoutes() map[string]http.HandlerFunc {
	routes := map[string]http.HandlerFunc{
		"GET /v1/tasks": s.needs(MayStatus, func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, http.StatusOK, s.host.TaskQueues(r.Context()))
		}),
		"GET /v1/tasks/failed": s.needs(MayTasks, s.ownersOnly(s.failedTasks)),
	}
	for _, act := range []TaskAct{RetryTasks, DeleteTasks, PurgeQueue, PauseQueue, ResumeQueue} {
		routes["POST /v1/tasks/"+string(act)] = s.needs(MayTasks, s.ownersOnly(s.actOnTasks(act)))
	}
	return routes
}

// mostFailed is how many are listed at most.
const mostFailed = 1000

func (s *Server) failedTasks(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Has("id") {
		one, err := s.host.FailedTask(r.Context(), query.Get("queue"), query.Get("id"))
		answerTasks(w, one, err)
		return
	}
	most := mostFailed
	if query.Has("limit") {
		n, err := strconv.Atoi(query.Get("limit"))
		if err != nil || n < 1 {
			refuse(w, http.StatusBadRequest, fmt.Errorf("limit: expected a number from 1 to %d", mostFailed))
			return
		}
		most = min(most, n)
	}
	all, err := s.host.FailedTasks(r.Context(), query.Get("queue"), most)
	answerTasks(w, all, err)
}

func (s *Server) actOnTasks(act TaskAct) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var o TaskOrder
		if !read(w, r, &o) {
			return
		}
		if err := o.check(act); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		done, err := s.host.ActOnTasks(r.Context(), act, o)
		details := []any{"queue", o.Queue}
		if o.Queue == "" {
			details[1] = done.Queue
		}
		if o.ID != "" {
			details = append(details, "id", o.ID)
		}
		s.audit(r, "tasks "+string(act), err, append(details, "tasks", done.Tasks)...)
		answerTasks(w, done, err)
	}
}

func answerTasks(w http.ResponseWriter, value any, err error) {
	var task *UnknownTask
	if errors.As(err, &task) {
		refuse(w, http.StatusNotFound, err)
		return
	}
	answer(w, value, err)
}

// TaskQueues asks for the queues.
func (c *Client) TaskQueues(ctx context.Context) (all []TaskQueue, err error) {
	return all, c.get(ctx, "/v1/tasks", &all)
}

// FailedTasks asks for the latest tasks of a queue that have failed, or, for "", of all of them, limit at most.
func (c *Client) FailedTasks(ctx context.Context, queue string, limit int) (all FailedTasks, err error) {
	query := url.Values{"queue": {queue}, "limit": {strconv.Itoa(limit)}}
	return all, c.get(ctx, "/v1/tasks/failed?"+query.Encode(), &all)
}

// FailedTask asks for one; queue may be "" if its id is of one queue only.
func (c *Client) FailedTask(ctx context.Context, queue, id string) (f FailedTask, err error) {
	return f, c.get(ctx, "/v1/tasks/failed?"+url.Values{"queue": {queue}, "id": {id}}.Encode(), &f)
}

// ActOnTasks has an order be carried out, and waits for that. Ending ctx ends it where it is.
func (c *Client) ActOnTasks(ctx context.Context, act TaskAct, o TaskOrder) (done TasksDone, err error) {
	return done, c.post(ctx, "/v1/tasks/"+string(act), o, &done)
}
