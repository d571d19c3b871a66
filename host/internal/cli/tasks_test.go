package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestTasksReadsItsCommandLine(t *testing.T) {
	for line, want := range map[string]tasksOrder{
		"":                {},
		"failed":          {failed: true},
		"failed q":        {failed: true, TaskOrder: control.TaskOrder{Queue: "q"}},
		"show 1":          {failed: true, TaskOrder: control.TaskOrder{ID: "1"}},
		"show 1 queue=q":  {failed: true, TaskOrder: control.TaskOrder{ID: "1", Queue: "q"}},
		"retry 1":         {act: control.RetryTasks, TaskOrder: control.TaskOrder{ID: "1"}},
		"retry all=q":     {act: control.RetryTasks, TaskOrder: control.TaskOrder{Queue: "q", All: true}},
		"delete 1":        {act: control.DeleteTasks, TaskOrder: control.TaskOrder{ID: "1"}},
		"purge q":         {act: control.PurgeQueue, TaskOrder: control.TaskOrder{Queue: "q"}},
		"pause q":         {act: control.PauseQueue, TaskOrder: control.TaskOrder{Queue: "q"}},
		"resume q":        {act: control.ResumeQueue, TaskOrder: control.TaskOrder{Queue: "q"}},
		"retry":           {act: "misused"},
		"retry 1 2":       {act: "misused"},
		"retry 1 all=q":   {act: "misused"},
		"purge":           {act: "misused"},
		"purge q all=q":   {act: "misused"},
		"show":            {act: "misused"},
		"failed q r":      {act: "misused"},
		"failed q limit=": {act: "misused"},
		"other":           {act: "misused"},
		"queue=q":         {act: "misused"},
	} {
		var args []string
		queue, all, limit := "", "", 50
		for _, word := range strings.Fields(line) {
			switch name, value, isFlag := strings.Cut(word, "="); {
			case !isFlag:
				args = append(args, word)
			case name == "queue":
				queue = value
			case name == "all":
				all = value
			default:
				limit = 0
			}
		}
		got, err := readTasks(args, queue, all, limit)
		if want.act == "misused" {
			if err == nil {
				t.Errorf("%q: %+v", line, got)
			}
		} else if err != nil || got != want {
			t.Errorf("%q: %+v %v", line, got, err)
		}
	}
}

func TestQueuesAndFailedTasksAreShown(t *testing.T) {
	shown := func(show func(*Terminal)) string {
		var out bytes.Buffer
		show(&Terminal{Out: &out})
		return out.String()
	}
	came := time.Now().Add(-3 * time.Hour)
	queues := shown(func(t *Terminal) {
		t.showQueues([]control.TaskQueue{
			{Name: "emails", Pool: "app", Handled: true, Waiting: 3, Delayed: 2, Taken: 5, Running: 4, Failed: 1,
				Oldest: &came},
			{Name: "pdf", Pool: "app", Paused: true},
			{Name: "lost", Pool: "app", Handled: true, Error: "the engine does not answer"},
			{Name: "idle", Pool: "app"},
		})
	})
	for _, row := range []string{"emails app serving 3 2 5 4 1 3h 0m", "pdf app paused 0 0 0 0 0 -",
		"lost app unknown ? ? ? 0 ? -", "idle app no handler 0 0 0 0 0 -", "lost: the engine does not answer"} {
		if !strings.Contains(strings.Join(strings.Fields(queues), " ")+" ", row+" ") {
			t.Errorf("no %q in\n%s", row, queues)
		}
	}
	one := control.FailedTask{Queue: "emails", ID: "7", Attempts: 3, Failed: came, Reason: "Boom\nmore\x1b",
		Trace: "#0 f()", Payload: []byte(`{"to":"<a>"}`)}
	list := shown(func(t *Terminal) { t.showFailed(control.FailedTasks{Tasks: []control.FailedTask{one}, Count: 4}) })
	if list != "7  of emails, 3 attempts, 3h 0m ago\n    Boom\n3 more have failed\n" {
		t.Error(list)
	}
	whole := shown(func(t *Terminal) { t.showTask(&one) })
	if !strings.Contains(whole, "\nBoom\nmore·\n\n#0 f()\n\n{\n  \"to\": \"<a>\"\n}\n") {
		t.Error(whole)
	}
}
