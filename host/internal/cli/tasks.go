// host tasks: the queues of tasks, and those that have failed.

package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

// tasksArguments are what host tasks may be given.
const tasksArguments = "[failed [QUEUE] | show ID | retry ID | delete ID | purge QUEUE | pause QUEUE | resume QUEUE]"

// TasksCommand is host tasks.
func TasksCommand() *Command {
	return &Command{
		Name:      "tasks",
		Arguments: tasksArguments,
		Summary:   "Show the queues and the tasks that failed, and try these anew",
		Detail: `It shows each [queue.NAME]: WAITING are tasks that may begin, DELAYED are those that may not yet,
TAKEN are under way on any host or wait for their next attempt, RUNNING are those that workers of this host have;
OLDEST is how long ago the oldest came that may begin or is taken.

failed lists the tasks that have had all of their attempts, the latest first; show has one of them whole, with
its stack and its payload. retry has it tried anew, with all attempts, and delete drops it; --all QUEUE instead
of ID is all that failed. purge drops all tasks of a queue that wait. pause has none of a queue begin, on any
host of the cluster and over restarts, until resume; what is under way goes on.

To look at the queues takes what host status takes. All else may only root and the user of the host do, whatever
[control] group is, and over TCP only a token with the right "tasks": host help tasks.`,
		Example: "host tasks\nhost tasks failed emails\nhost tasks show 5e1f0c9a7b3d2e4f60718293\n" +
			"host tasks retry --all emails\nhost tasks pause emails",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			asJSON := f.Bool("json", false, "print JSON")
			queue := f.String("queue", "", "the queue `NAME` of the task, if several have one of its id")
			all := f.String("all", "", "for retry and delete: all failed tasks of the queue `NAME`")
			limit := f.Int("limit", 50, "for failed: so many tasks at most")
			return func(t *Terminal, args []string) error {
				order, err := readTasks(args, *queue, *all, *limit)
				if err != nil {
					return err
				}
				client, err := find()
				if err != nil {
					return err
				}
				if order.act != "" {
					ctx, done := UntilInterrupted()
					defer done()
					return actOnTasks(ctx, t, client, order, *asJSON)
				}
				ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
				defer cancel()
				return lookAtTasks(ctx, t, client, order, *limit, *asJSON)
			}
		},
	}
}

// tasksOrder is what host tasks is asked for.
type tasksOrder struct {
	control.TaskOrder
	act    control.TaskAct // "": to look
	failed bool            // at those that have failed; with an ID, at one
}

// readTasks reads the command line.
func readTasks(args []string, queue, all string, limit int) (o tasksOrder, err error) {
	word, rest := "", args
	if len(args) > 0 {
		word, rest = args[0], args[1:]
	}
	name := strings.Join(rest, "")
	switch act := control.TaskAct(word); {
	case word == "" && queue+all == "":
		return o, nil
	case word == "failed" && len(rest) <= 1 && all == "" && (name == "" || queue == ""):
		if limit < 1 {
			return o, Misused("--limit: expected a number from 1 on, found %d", limit)
		}
		o.failed, o.Queue = true, cmp.Or(name, queue)
		return o, nil
	case word == "show" && len(rest) == 1 && all == "":
		o.failed, o.ID, o.Queue = true, name, queue
		return o, nil
	case (act == control.RetryTasks || act == control.DeleteTasks) && len(rest) == 1 && all == "":
		o.act, o.ID, o.Queue = act, name, queue
		return o, nil
	case (act == control.RetryTasks || act == control.DeleteTasks) && len(rest) == 0 && all != "" && queue == "":
		o.act, o.All, o.Queue = act, true, all
		return o, nil
	case (act == control.PurgeQueue || act == control.PauseQueue || act == control.ResumeQueue) && len(rest) == 1 &&
		queue+all == "":
		o.act, o.Queue = act, name
		return o, nil
	}
	found := strings.Join(args, " ")
	if queue != "" {
		found += " --queue " + queue
	}
	if all != "" {
		found += " --all " + all
	}
	return o, Misused("expected %s, with --queue NAME beside an ID, or --all QUEUE in place of one; found %s",
		tasksArguments, orDash(strings.TrimSpace(found)))
}

func lookAtTasks(ctx context.Context, t *Terminal, client *control.Client, o tasksOrder, limit int,
	asJSON bool) error {
	var value any
	var err error
	var show func()
	switch {
	case o.ID != "":
		var one control.FailedTask
		one, err = client.FailedTask(ctx, o.Queue, o.ID)
		value, show = one, func() { t.showTask(&one) }
	case o.failed:
		var all control.FailedTasks
		all, err = client.FailedTasks(ctx, o.Queue, limit)
		value, show = all, func() { t.showFailed(all) }
	default:
		var all []control.TaskQueue
		all, err = client.TaskQueues(ctx)
		value, show = all, func() { t.showQueues(all) }
	}
	if err != nil {
		return withRemedy(err)
	}
	if asJSON {
		return printJSON(t, value)
	}
	show()
	return nil
}

func actOnTasks(ctx context.Context, t *Terminal, client *control.Client, o tasksOrder, asJSON bool) error {
	done, err := client.ActOnTasks(ctx, o.act, o.TaskOrder)
	if err != nil {
		return withRemedy(err)
	}
	if asJSON {
		return printJSON(t, done)
	}
	n := Counted(done.Tasks, "task") + " of " + done.Queue
	switch o.act {
	case control.RetryTasks:
		fmt.Fprintln(t.Out, n+" will be tried anew")
	case control.DeleteTasks:
		fmt.Fprintln(t.Out, n+" deleted")
	case control.PurgeQueue:
		fmt.Fprintln(t.Out, n+" dropped")
	case control.PauseQueue:
		fmt.Fprintf(t.Out, "%s is paused: none of its tasks begins until host tasks resume %[1]s\n", done.Queue)
	case control.ResumeQueue:
		fmt.Fprintf(t.Out, "%s goes on\n", done.Queue)
	}
	return nil
}

func (t *Terminal) showQueues(all []control.TaskQueue) {
	if len(all) == 0 {
		fmt.Fprintln(t.Out, "there is no [queue.NAME] in the configuration: host help tasks")
		return
	}
	list := table{right: map[int]bool{3: true, 4: true, 5: true, 6: true, 7: true, 8: true}}
	var header []cell
	for _, title := range []string{"QUEUE", "POOL", "STATE", "WAITING", "DELAYED", "TAKEN", "RUNNING", "FAILED",
		"OLDEST"} {
		header = append(header, cell{title, t.Faint})
	}
	list.add(header...)
	for _, q := range all {
		state, oldest, failed := cell{text: "serving"}, "-", cell{text: strconv.Itoa(q.Failed)}
		switch {
		case q.Error != "":
			state = cell{"unknown", t.Red}
		case q.Paused:
			state = cell{"paused", t.Yellow}
		case !q.Handled:
			state = cell{"no handler", t.Red}
		}
		if q.Oldest != nil {
			oldest = HumanDuration(max(0, time.Since(*q.Oldest)))
		}
		if q.Failed > 0 {
			failed.paint = t.Red
		}
		row := []cell{{text: q.Name}, {text: q.Pool}, state, {text: strconv.Itoa(q.Waiting)},
			{text: strconv.Itoa(q.Delayed)}, {text: strconv.Itoa(q.Taken)}, {text: strconv.Itoa(q.Running)}, failed,
			{text: oldest}}
		if q.Error != "" { // these numbers are the engine's
			for _, i := range []int{3, 4, 5, 7} {
				row[i] = cell{text: "?"}
			}
		}
		list.add(row...)
	}
	list.write(t.Out)
	for _, q := range all {
		if q.Error != "" {
			fmt.Fprintf(t.Out, "%s: %s\n", q.Name, t.Red(oneLine(q.Error)))
		}
	}
}

func (t *Terminal) showFailed(all control.FailedTasks) {
	if all.Count == 0 {
		fmt.Fprintln(t.Out, "no task lies with the failed ones")
		return
	}
	for _, f := range all.Tasks {
		fmt.Fprintf(t.Out, "%s  of %s, %s, %s\n    %s\n", t.Bold(printable(f.ID)), f.Queue,
			Counted(f.Attempts, "attempt"), ago(f.Failed),
			Shortened(oneLine(cmp.Or(f.Reason, "nothing is known of why")), t.width()-5))
	}
	if more := all.Count - len(all.Tasks); more > 0 {
		fmt.Fprintf(t.Out, "%d more have failed\n", more)
	}
}

func (t *Terminal) showTask(f *control.FailedTask) {
	fmt.Fprintf(t.Out, "%s  of %s, failed %s after %s\n", t.Bold(printable(f.ID)), f.Queue,
		f.Failed.Local().Format(time.DateTime), Counted(f.Attempts, "attempt"))
	fmt.Fprintf(t.Out, "pushed %s", f.Pushed.Local().Format(time.DateTime))
	if f.Key != "" {
		fmt.Fprintf(t.Out, ", key %s", printable(f.Key))
	}
	if f.Priority > 0 {
		fmt.Fprintf(t.Out, ", priority %d", f.Priority)
	}
	fmt.Fprintln(t.Out)
	t.logged(f.Reason, f.Trace, nil)
	var payload bytes.Buffer
	if json.Indent(&payload, f.Payload, "", "  ") != nil {
		payload.Reset()
		fmt.Fprintf(&payload, "%d bytes that JSON can't have: --json has them as MessagePack", f.Bytes)
	}
	fmt.Fprintf(t.Out, "\n%s\n", printable(payload.String()))
}
