// queues.go: what people see of the queues, and do to them.

package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/host/internal/tasks"
)

// queues are the rooms of all queues, by the queues' names, which are those of one realm each.
func (h *host) queues() (names []string, rooms map[string]*tasks.Room) {
	now, rooms := h.setup.Load(), map[string]*tasks.Room{}
	for _, q := range now.config.Queues {
		if p := byName(now.pools, q.Pool); p != nil {
			names = append(names, q.Name)
			rooms[q.Name] = p.realm.tasks
		}
	}
	slices.Sort(names)
	return names, rooms
}

// chosen is the one of that name, or, for "", all.
func (h *host) chosen(queue string) (names []string, rooms map[string]*tasks.Room, err error) {
	names, rooms = h.queues()
	if queue == "" {
		return names, rooms, nil
	}
	if rooms[queue] == nil {
		return nil, nil, &control.Unknown{What: "queue", Name: queue, Known: names}
	}
	return []string{queue}, rooms, nil
}

// TaskQueues implements [control.TaskHost].
func (h *host) TaskQueues(ctx context.Context) []control.TaskQueue {
	ctx, cancel := context.WithTimeout(ctx, engine.Patience) // for all of them
	defer cancel()
	all := []control.TaskQueue{}
	for _, r := range h.setup.Load().realms {
		for _, s := range r.tasks.Status(ctx) {
			q := control.TaskQueue{Name: s.Queue.Name, Pool: s.Queue.Pool, Paused: s.Paused, Handled: s.Handled,
				Waiting: s.Ready, Delayed: s.Later, Taken: s.Away, Running: s.Counts.Running, Failed: s.Failed,
				Pushed: s.Counts.Pushed, Ends: s.Counts.Ends, Error: s.Error}
			if !s.Oldest.IsZero() {
				q.Oldest = &s.Oldest
			}
			all = append(all, q)
		}
	}
	slices.SortFunc(all, func(a, b control.TaskQueue) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// scrapePatience is how long a scrape waits for what the engine knows of all queues.
const scrapePatience = time.Second

// taskMetrics are those of all queues.
func (h *host) taskMetrics() (all []tasks.Status) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	for _, r := range h.setup.Load().realms {
		all = append(all, r.tasks.Status(ctx)...)
	}
	return all
}

// FailedTasks implements [control.TaskHost].
func (h *host) FailedTasks(ctx context.Context, queue string, most int) (all control.FailedTasks, err error) {
	names, rooms, err := h.chosen(queue)
	if err != nil {
		return all, err
	}
	all.Tasks = []control.FailedTask{}
	for _, name := range names {
		some, n, err := rooms[name].Failed(ctx, name, most)
		if err != nil {
			return all, err
		}
		all.Count += n
		for _, f := range some {
			all.Tasks = append(all.Tasks, failedTask(f))
		}
	}
	slices.SortStableFunc(all.Tasks, func(a, b control.FailedTask) int { return b.Failed.Compare(a.Failed) })
	all.Tasks = all.Tasks[:min(len(all.Tasks), most)]
	return all, nil
}

func failedTask(f *tasks.Failed) control.FailedTask {
	return control.FailedTask{Queue: f.Queue, ID: f.ID, Key: f.Key, Priority: f.Priority, Pushed: f.Pushed,
		Failed: f.Failed, Attempts: f.Attempts, Bytes: f.Bytes, Reason: redact.Text(f.Reason)}
}

// FailedTask implements [control.TaskHost].
func (h *host) FailedTask(ctx context.Context, queue, id string) (one control.FailedTask, err error) {
	f, err := h.failed(ctx, queue, id)
	if err != nil {
		return one, err
	}
	one = failedTask(f)
	one.Trace, one.Encoded = redact.Text(f.Trace), f.Payload
	if payload, err := f.Payload.Decode(); err == nil {
		one.Payload = jsonOf(payload)
	}
	return one, nil
}

// failed finds a task, in all queues for "".
func (h *host) failed(ctx context.Context, queue, id string) (found *tasks.Failed, err error) {
	names, rooms, err := h.chosen(queue)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		switch f, err := rooms[name].Show(ctx, name, id); {
		case errors.Is(err, tasks.ErrNoTask):
		case err != nil:
			return nil, err
		case found != nil:
			return nil, fmt.Errorf("the queues %s and %s have a task %q that has failed: say which one is meant, by "+
				"--queue", found.Queue, name, id)
		default:
			found = f
		}
	}
	if found == nil {
		return nil, &control.UnknownTask{ID: id}
	}
	return found, nil
}

// jsonOf is a payload as JSON; nil where that has no way to say it.
func jsonOf(payload any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(readable(payload)) != nil {
		return nil
	}
	return bytes.TrimSpace(b.Bytes())
}

// readable is a payload as JSON can have it: the keys of maps are strings, and what is no text is bytes.
func readable(v any) any {
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			return []byte(v)
		}
	case []any:
		for i := range v {
			v[i] = readable(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = readable(v[key])
		}
	case map[any]any:
		named := make(map[string]any, len(v))
		for key, value := range v {
			named[fmt.Sprint(key)] = readable(value)
		}
		return named
	}
	return v
}

// ActOnTasks implements [control.TaskHost].
func (h *host) ActOnTasks(ctx context.Context, act control.TaskAct, o control.TaskOrder) (control.TasksDone, error) {
	done := control.TasksDone{Queue: o.Queue}
	if o.ID != "" {
		f, err := h.failed(ctx, o.Queue, o.ID)
		if err != nil {
			return done, err
		}
		done.Queue = f.Queue
	}
	_, rooms, err := h.chosen(done.Queue)
	if err != nil {
		return done, err
	}
	room := rooms[done.Queue]
	if room == nil { // the configuration has changed meanwhile
		return done, &control.UnknownTask{ID: o.ID}
	}
	switch act {
	case control.RetryTasks:
		done.Tasks, err = room.Retry(ctx, done.Queue, o.ID)
	case control.DeleteTasks:
		done.Tasks, err = room.Delete(ctx, done.Queue, o.ID)
	case control.PurgeQueue:
		done.Tasks, err = room.Purge(ctx, done.Queue)
	case control.PauseQueue:
		err = room.Pause(ctx, done.Queue)
	case control.ResumeQueue:
		err = room.Resume(ctx, done.Queue)
	}
	switch {
	case errors.Is(err, tasks.ErrNoTask):
		err = &control.UnknownTask{ID: o.ID}
	case err != nil && done.Tasks > 0:
		err = fmt.Errorf("it was done to %d tasks, and then: %w", done.Tasks, err)
	}
	return done, err
}
