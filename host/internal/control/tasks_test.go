package control

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func (f *fakeHost) TaskQueues(context.Context) []TaskQueue {
	return []TaskQueue{{Name: "emails", Pool: "app", Waiting: 3, Failed: 1}}
}

func (f *fakeHost) FailedTasks(_ context.Context, queue string, most int) (FailedTasks, error) {
	if queue != "" && queue != "emails" {
		return FailedTasks{}, &Unknown{What: "queue", Name: queue, Known: []string{"emails"}}
	}
	return FailedTasks{Tasks: []FailedTask{{Queue: "emails", ID: "order 17/2"}}, Count: most}, nil
}

func (f *fakeHost) FailedTask(_ context.Context, queue, id string) (FailedTask, error) {
	if id != "order 17/2" {
		return FailedTask{}, &UnknownTask{id}
	}
	return FailedTask{Queue: "emails", ID: id, Payload: []byte(`{"n":12345678901234567}`)}, nil
}

func (f *fakeHost) ActOnTasks(_ context.Context, act TaskAct, o TaskOrder) (TasksDone, error) {
	if o.ID == "away" {
		return TasksDone{}, errors.New("the engine does not answer")
	}
	return TasksDone{Queue: "emails", Tasks: 2}, nil
}

func TestQueuesAreListedAndTheirTasksTriedAnew(t *testing.T) {
	path, host := socketPath(t), newFakeHost()
	serve(t, path, host)
	client := NewClient(path)
	if all, err := client.TaskQueues(t.Context()); err != nil || len(all) != 1 || all[0].Waiting != 3 {
		t.Errorf("%+v %v", all, err)
	}
	if all, err := client.FailedTasks(t.Context(), "emails", 7); err != nil || all.Count != 7 || len(all.Tasks) != 1 {
		t.Errorf("%+v %v", all, err)
	}
	one, err := client.FailedTask(t.Context(), "", "order 17/2")
	if err != nil || string(one.Payload) != `{"n":12345678901234567}` {
		t.Errorf("%+v %v", one, err)
	}
	for _, act := range []TaskAct{RetryTasks, DeleteTasks} {
		done, err := client.ActOnTasks(t.Context(), act, TaskOrder{ID: "order 17/2"})
		if err != nil || done.Tasks != 2 {
			t.Errorf("%s: %+v %v", act, done, err)
		}
	}
	if !slices.Contains(host.audited(), "tasks retry [queue emails id order 17/2 tasks 2] ") {
		t.Errorf("%q", host.audited())
	}
	for _, act := range []TaskAct{PurgeQueue, PauseQueue, ResumeQueue} {
		done, err := client.ActOnTasks(t.Context(), act, TaskOrder{Queue: "emails"})
		if err != nil || done.Tasks != 2 {
			t.Errorf("%s: %+v %v", act, done, err)
		}
	}
	if last := host.audited(); !strings.HasPrefix(last[len(last)-1], "tasks resume [queue emails") {
		t.Errorf("%q", last)
	}
}

func TestAnOrderForTasksThatMakesNoSenseIsRefused(t *testing.T) {
	path := socketPath(t)
	serve(t, path, newFakeHost())
	client := NewClient(path)
	act := func(act TaskAct, o TaskOrder) error {
		_, err := client.ActOnTasks(t.Context(), act, o)
		return err
	}
	_, noTask := client.FailedTask(t.Context(), "", "other")
	_, noQueue := client.FailedTasks(t.Context(), "other", 1)
	_, noLimit := client.FailedTasks(t.Context(), "", 0)
	for i, try := range []struct {
		err    error
		status int
	}{
		{noTask, http.StatusNotFound}, {noQueue, http.StatusNotFound}, {noLimit, http.StatusBadRequest},
		{act(RetryTasks, TaskOrder{}), http.StatusBadRequest},
		{act(RetryTasks, TaskOrder{Queue: "emails"}), http.StatusBadRequest},
		{act(RetryTasks, TaskOrder{All: true}), http.StatusBadRequest},
		{act(DeleteTasks, TaskOrder{Queue: "emails", ID: "1", All: true}), http.StatusBadRequest},
		{act(PurgeQueue, TaskOrder{}), http.StatusBadRequest},
		{act(PauseQueue, TaskOrder{Queue: "emails", ID: "1"}), http.StatusBadRequest},
		{act(RetryTasks, TaskOrder{ID: "away"}), http.StatusConflict},
	} {
		var refused *Refusal
		if !errors.As(try.err, &refused) || refused.Status != try.status {
			t.Errorf("%d: %v", i, try.err)
		}
	}
}

func TestOnlyATokenThatNamesTheRightSeesAndChangesTasks(t *testing.T) {
	all, some := &Token{Name: "all"}, &Token{Name: "some", Rights: []Right{MayTasks}}
	if all.may(MayTasks) || !some.may(MayTasks) || some.may(MayStatus) {
		t.Error("a right is had that was not given, or the other way round")
	}
}
