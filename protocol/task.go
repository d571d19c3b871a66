// Tasks: work that is no request (SPEC.md §18): TASK, which is an event, and the acts PUSH, SETTLE and PROGRESS.

package protocol

import (
	"fmt"
	"regexp"
	"strconv"
)

// FeatureTasks is the feature of a HELLO whose host keeps tasks for its workers' pushes.
const FeatureTasks = "tasks"

// The methods of tasks (SPEC.md §18.4).
const (
	CallTasksPush = "tasks.push"
	CallTasksWait = "tasks.wait"
)

// Bounds of what is pushed (SPEC.md §18.2).
const (
	MaxPayload  = 1 << 20 // bytes, encoded
	MaxPriority = 9
	MaxTaskID   = 128  // bytes
	MaxPushes   = 1000 // in one tasks.push, and in one commit
)

// Task hands a worker a task: TASK (SPEC.md §18.3).
type Task struct {
	Stream   uint32
	Queue    string
	ID       string
	Attempt  int // from 1; 0 is encoded as 1
	Payload  Value
	Pushed   int64 // milliseconds since 1970
	Key      string
	Priority int
	Most     int // attempts that it has; 0: that is not told
}

// Push is PUSH: a task for a queue.
type Push struct {
	Stream   uint32
	Flags    Flags
	Queue    string
	Payload  Value
	ID       string // "" has the host choose
	Delay    int64  // milliseconds
	Key      string
	Priority int
}

// Settle is SETTLE: what becomes of the task at hand.
type Settle struct {
	Stream uint32
	Flags  Flags
	How    Settlement
	Value  Value  // for whoever waits, with [TaskDone]
	Delay  int64  // milliseconds, with [TaskReleased]
	Reason string // with [TaskFailed] and [TaskGivenUp]
	Trace  string
}

// Settlement is what becomes of a task.
type Settlement int

// The settlements of SPEC.md §18.3.
const (
	TaskDone     Settlement = iota // it is over
	TaskReleased                   // it comes again, after Delay
	TaskFailed                     // it comes again, if it has attempts left
	TaskGivenUp                    // it lies with the failed ones
)

// Progress is PROGRESS: how far the task at hand is.
type Progress struct {
	Stream uint32
	Flags  Flags
	Value  Value
}

// Type implements [Message].
func (*Task) Type() Type { return TypeTask }

// Type implements [Message].
func (*Push) Type() Type { return TypePush }

// Type implements [Message].
func (*Settle) Type() Type { return TypeSettle }

// Type implements [Message].
func (*Progress) Type() Type { return TypeProgress }

// On implements [Act].
func (m *Push) On() (uint32, Flags) { return m.Stream, m.Flags }

// On implements [Act].
func (m *Settle) On() (uint32, Flags) { return m.Stream, m.Flags }

// On implements [Act].
func (m *Progress) On() (uint32, Flags) { return m.Stream, m.Flags }

// AppendFrame implements [Message].
func (m *Task) AppendFrame(b []byte) []byte {
	start := len(b)
	b = begin(b, TypeTask, m.Stream)
	b = appendStr(b, m.Queue)
	b = appendStr(b, m.ID)
	b = appendInt(b, int64(or(m.Attempt, 1)))
	b = appendValue(b, m.Payload)
	b = appendInt(b, m.Pushed)
	t := tail{&shapes[TypeTask], 7}
	if m.Key != "" {
		b = appendStr(t.upTo(b, 7), m.Key)
	}
	if m.Priority != 0 {
		b = appendInt(t.upTo(b, 8), int64(m.Priority))
	}
	if m.Most != 0 {
		b = appendInt(t.upTo(b, 9), int64(m.Most))
	}
	return t.endFrame(b, start)
}

// Parse reads a TASK's payload. Errors are [*LinkError].
func (m *Task) Parse(payload []byte) error {
	f := open(payload, TypeTask)
	*m = Task{Stream: f.stream}
	m.Queue = f.at("queue").str()
	m.ID = f.at("id").str()
	m.Attempt = int(f.at("attempt").number(1, maxUint))
	m.Payload = f.at("payload").value()
	m.Pushed = f.at("pushed").long()
	m.Key = f.at("key").str()
	m.Priority = f.at("priority").uint()
	m.Most = f.at("most").uint()
	return f.end()
}

// AppendFrame implements [Message].
func (m *Push) AppendFrame(b []byte) []byte {
	start := len(b)
	b = appendStr(beginAct(b, TypePush, m.Stream, m.Flags), m.Queue)
	b = appendValue(b, m.Payload)
	t := tail{&shapes[TypePush], 5}
	return t.endFrame(m.appendRest(b, &t, 5), start)
}

// appendRest appends what may be left out, of which the first is at a position.
func (m *Push) appendRest(b []byte, t *tail, at int) []byte {
	if m.ID != "" {
		b = appendStr(t.upTo(b, at), m.ID)
	}
	if m.Delay != 0 {
		b = appendInt(t.upTo(b, at+1), m.Delay)
	}
	if m.Key != "" {
		b = appendStr(t.upTo(b, at+2), m.Key)
	}
	if m.Priority != 0 {
		b = appendInt(t.upTo(b, at+3), int64(m.Priority))
	}
	return b
}

// Parse implements [Act].
func (m *Push) Parse(payload []byte) error {
	f, flags := openAct(payload, TypePush)
	*m = Push{Stream: f.stream, Flags: flags}
	m.Queue = f.at("queue").str()
	m.Payload = f.at("payload").value()
	m.ID = f.at("id").str()
	m.Delay = f.at("delay").long()
	m.Key = f.at("key").str()
	m.Priority = f.at("priority").uint()
	return f.end()
}

// AppendFrame implements [Message].
func (m *Settle) AppendFrame(b []byte) []byte {
	start := len(b)
	b = appendInt(beginAct(b, TypeSettle, m.Stream, m.Flags), int64(m.How))
	t := tail{&shapes[TypeSettle], 4}
	if len(m.Value) > 0 {
		b = appendValue(t.upTo(b, 4), m.Value)
	}
	if m.Delay != 0 {
		b = appendInt(t.upTo(b, 5), m.Delay)
	}
	if m.Reason != "" {
		b = appendStr(t.upTo(b, 6), m.Reason)
	}
	if m.Trace != "" {
		b = appendStr(t.upTo(b, 7), m.Trace)
	}
	return t.endFrame(b, start)
}

// Parse implements [Act].
func (m *Settle) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeSettle)
	*m = Settle{Stream: f.stream, Flags: flags}
	m.How = Settlement(f.at("how").number(int64(TaskDone), int64(TaskGivenUp)))
	m.Value = f.at("value").value()
	m.Delay = f.at("delay").long()
	m.Reason = f.at("reason").str()
	m.Trace = f.at("trace").str()
	return f.end()
}

// AppendFrame implements [Message].
func (m *Progress) AppendFrame(b []byte) []byte {
	start := len(b)
	return endFrame(appendValue(beginAct(b, TypeProgress, m.Stream, m.Flags), m.Value), start)
}

// Parse implements [Act].
func (m *Progress) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeProgress)
	*m = Progress{Stream: f.stream, Flags: flags}
	m.Value = f.at("value").value()
	return f.end()
}

// SetStream implements [Opening].
func (m *Task) SetStream(id uint32) { m.Stream = id }

// SetAttempt implements [Opening].
func (m *Task) SetAttempt(n int) { m.Attempt = n }

// Attempts implements [Opening].
func (m *Task) Attempts() int { return m.Attempt }

// Whole implements [Opening].
func (m *Task) Whole() bool { return true }

// Size implements [Opening].
func (m *Task) Size() int { return len(m.Payload) }

// Name implements [Opening].
func (m *Task) Name() (name, id string) { return "TASK " + m.ID + " of " + m.Queue, m.ID }

var queueName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// IsQueueName says whether a queue may have the name: at most 64 letters, digits, dots, hyphens and underscores, of
// which the first is a letter or a digit.
func IsQueueName(name string) bool { return queueName.MatchString(name) }

// Check finds what is wrong with a push whatever queues there are, or nil.
func (m *Push) Check() error {
	switch {
	case !IsQueueName(m.Queue):
		return fmt.Errorf("%s is no name of a queue: it is of at most 64 letters, digits, dots, hyphens and "+
			"underscores", strconv.Quote(shortened(m.Queue)))
	case len(m.Payload) > MaxPayload:
		return &TooLarge{m.Queue, len(m.Payload)}
	case m.ID != "" && !IsDialName(m.ID): // the same holds for both
		return fmt.Errorf("%s is no id of a task: it has 1 to %d bytes of UTF-8 without control characters",
			strconv.Quote(shortened(m.ID)), MaxTaskID)
	case len(m.Key) > MaxName:
		return fmt.Errorf("the key has %d bytes: at most %d are possible", len(m.Key), MaxName)
	case m.Priority < 0 || m.Priority > MaxPriority:
		return fmt.Errorf("the priority is 0 to %d, not %d", MaxPriority, m.Priority)
	case m.Delay < 0 || m.Delay > mostMillis/2:
		return fmt.Errorf("a delay of %d milliseconds is none", m.Delay)
	}
	return nil
}

// TooLarge is the error of a push whose payload has more than [MaxPayload] bytes.
type TooLarge struct {
	Queue string
	Size  int
}

// Error implements error.
func (e *TooLarge) Error() string {
	return fmt.Sprintf("the payload has %d bytes: a task for %s has at most %d; put what is large elsewhere, and "+
		"push where it is", e.Size, e.Queue, MaxPayload)
}

// Element is a push as an argument of a CALL has it (SPEC.md §18.4).
func (m *Push) Element() Value {
	b := appendArray(nil, 6)
	b = appendStr(b, m.Queue)
	b = appendValue(b, m.Payload)
	b = appendStr(b, m.ID)
	b = appendInt(b, m.Delay)
	b = appendStr(b, m.Key)
	return appendInt(b, int64(m.Priority))
}

// PushesArgument is the argument of tasks.push.
func PushesArgument(all []*Push) Value {
	b := appendArray(nil, len(all))
	for _, m := range all {
		b = append(b, m.Element()...)
	}
	return b
}

// ParsePushes reads the arguments of tasks.push, and ParsePush those of tasks.wait. An error says what is wrong with
// them, for whoever asked.
func ParsePushes(arguments []Value) ([]*Push, error) {
	if len(arguments) != 1 {
		return nil, fmt.Errorf("%s takes one argument, a list of tasks; got %d", CallTasksPush, len(arguments))
	}
	f := argument(arguments[0])
	n := f.array()
	if f.err == nil && n > MaxPushes {
		return nil, fmt.Errorf("%s takes at most %d tasks at once; got %d", CallTasksPush, MaxPushes, n)
	}
	var all []*Push
	for i := 0; i < n && f.err == nil; i++ {
		all = append(all, f.push())
	}
	return all, pushError(f, CallTasksPush, all...)
}

// ParsePush is explained at [ParsePushes].
func ParsePush(arguments []Value) (*Push, error) {
	if len(arguments) != 1 {
		return nil, fmt.Errorf("%s takes one argument, a task; got %d", CallTasksWait, len(arguments))
	}
	f := argument(arguments[0])
	m := f.push()
	return m, pushError(f, CallTasksWait, m)
}

// ParseTaskEnd reads what tasks.wait answers.
func ParseTaskEnd(v Value) (how Settlement, value Value, reason string, err error) {
	f := argument(v)
	left := f.list(3)
	how = Settlement(f.number(int64(TaskDone), int64(TaskGivenUp)))
	value, reason = f.value(), f.str()
	f.skipExtra(left)
	if f.end() != nil {
		return 0, nil, "", fmt.Errorf("the host's answer to %s is no end of a task", CallTasksWait)
	}
	return how, value, reason, nil
}

func (f *fields) push() *Push {
	left := f.list(2)
	m := &Push{Queue: f.str(), Payload: f.value()}
	more := func() bool { left--; return left >= 0 && f.err == nil }
	if more() {
		m.ID = f.str()
	}
	if more() {
		m.Delay = f.long()
	}
	if more() {
		m.Key = f.str()
	}
	if more() {
		m.Priority = f.uint()
	}
	f.skipExtra(left)
	return m
}

func pushError(f *fields, method string, all ...*Push) error {
	if f.end() != nil {
		return fmt.Errorf("a task of %s is a list [queue, payload, id, delay, key, priority]", method)
	}
	for _, m := range all {
		if err := m.Check(); err != nil {
			return err
		}
	}
	return nil
}
