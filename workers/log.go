// LOG: entries and printed text from a worker, for the host's log, with the request that they belong to (SPEC.md
// §8.2). What comes on standard error names no request: nothing there tells which one wrote it.

package workers

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// logEntry logs what came, in the reader.
func (w *worker) logEntry(e *protocol.Log) {
	if e.Level == protocol.LogPrint {
		w.printed.turn(e.Stream)
		w.printed.write([]byte(e.Message))
		return
	}
	context, err := contextOf(e.Context)
	if err != nil {
		context = "unreadable: " + err.Error()
	}
	if w.takeBacktrace(context) {
		return
	}
	args := w.nameOf(e.Stream)
	traced := slices.Contains(args, any("trace_id"))
	if fields, ok := context.(map[string]any); ok {
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			args = append(args, fieldName(key, traced), fields[key])
		}
	} else if context != nil {
		args = append(args, "context", context)
	}
	level := hclog.LevelFromString(e.Level)
	if level == hclog.NoLevel {
		level = hclog.Info
	}
	w.printed.pass()
	message, over := clip(e.Message, maxText)
	if !w.isBooted() { // a report of a failed boot says what came last
		w.tail.add([]byte(message))
	}
	if level >= hclog.Error {
		fields, _ := context.(map[string]any)
		w.errorLogged(e.Stream, &protocol.LoggedError{Message: message, Fields: fields})
	}
	w.voice.say(level, message, over, args...)
}

// errorLogged tells whoever submitted a stream's exchange that its worker has logged an error of it.
func (w *worker) errorLogged(stream uint32, e *protocol.LoggedError) {
	w.mu.Lock()
	a := w.link.streams[stream]
	w.mu.Unlock()
	if a == nil || a.x.erred == nil {
		return
	}
	a.calls.Lock()
	defer a.calls.Unlock()
	if !a.over {
		a.x.erred(e)
	}
}

// nameOf names the request of a stream, for the log; nothing if it is not at hand.
func (w *worker) nameOf(stream uint32) []any {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.link.streams[stream]; a != nil && !a.recalled {
		return a.x.named()
	}
	return nil
}

const (
	maxContext = 1 << 20 // a larger one is not even decoded
	maxValue   = 8 << 10 // where a context is larger than maxText, what its values are cut to
)

// contextOf decodes a LOG's context: printable, and no larger than maxText.
func contextOf(v protocol.Value) (any, error) {
	if len(v) > maxContext {
		return leftOut(len(v)), nil
	}
	context, err := v.Decode()
	if err != nil {
		return nil, err
	}
	context = printableValue(context)
	if len(v) <= maxText {
		return context, nil
	}
	fields, ok := context.(map[string]any)
	if !ok {
		return leftOut(len(v)), nil
	}
	kept, room := map[string]any{}, maxText
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value, n := shortened(fields[key])
		if room -= len(key) + n; room < 0 {
			kept["more_fields"] = len(fields) - len(kept)
			break
		}
		kept[key] = value
	}
	return kept, nil
}

func leftOut(n int) string { return fmt.Sprintf("left out: %d bytes", n) }

// shortened is a value of at most maxValue, and its size.
func shortened(value any) (any, int) {
	if text, ok := value.(string); ok {
		text, over := clip(text, maxValue)
		return text + cutNote(over), len(text)
	}
	encoded, err := protocol.NewValue(value)
	if n := len(encoded); err == nil && n <= maxValue {
		return value, n
	}
	return leftOut(len(encoded)), lineCost
}

// printableValue is a value of a context with all text in it printable.
func printableValue(value any) any {
	switch v := value.(type) {
	case string:
		return printable(v)
	case []byte:
		return printable(string(v))
	case []any:
		for i := range v {
			v[i] = printableValue(v[i])
		}
	case map[string]any:
		shown := make(map[string]any, len(v))
		for key, inner := range v {
			shown[printable(key)] = printableValue(inner)
		}
		return shown
	}
	return value
}

// ours are the names that mean what the host says with them.
var ours = map[string]bool{
	"log": true, "pool": true, "worker": true, "generation": true, "pid": true, "request": true, "request_id": true,
	"@level": true, "@message": true, "@module": true, "@timestamp": true, "@caller": true,
}

// fieldName is the name of a context's field in the log. traced says that the host names a trace, which tracing
// libraries do, too.
func fieldName(key string, traced bool) string {
	if ours[key] || traced && key == "trace_id" {
		return "context." + key
	}
	return key
}
