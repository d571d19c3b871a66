// Package logline reads what a line of a log says of itself: how grave it is, and whether it goes on with the lines
// before it, as a stack trace does. It knows how PHP and Go write to standard error, and how their usual loggers do.
// It keeps no line, and waits for none.
package logline

import (
	"bytes"
	"log/slog"
)

// Entry is an entry that may go on line by line. It belongs to one goroutine at a time; the zero value is ready to
// begin.
type Entry struct{ last kind }

// kind is what the latest line of an entry was, as far as it says what may follow.
type kind byte

const (
	plain    kind = iota
	uncaught      // the message of PHP's exception: all belongs to it until PHP says where that was thrown
	object        // an exception that Monolog writes out: likewise, until the text that holds it ends
	trace         // of PHP
	panicked      // a message of Go
	stack         // of goroutines
)

// Start takes the first line of an entry, without its end, and says how grave it is: [slog.LevelError],
// [slog.LevelWarn] or, where it names no level or a lower one, [slog.LevelInfo].
func (e *Entry) Start(line []byte) slog.Level {
	level, rest := levelOf(line)
	switch {
	case bytes.HasPrefix(rest, []byte("Uncaught ")):
		e.last = uncaught
	case opensObject(line):
		e.last = object
	case bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")):
		e.last = panicked
	default:
		e.last = plain
		e.Continues(line) // a trace that nothing stands before
	}
	return level
}

// Continues says whether a line belongs to the entry that has begun, and takes it if so.
func (e *Entry) Continues(line []byte) bool {
	next := e.follows(line)
	if next != plain {
		e.last = next
	}
	return next != plain
}

// follows is what the line would be to the entry; plain is nothing.
func (e *Entry) follows(line []byte) kind {
	if len(line) == 0 {
		return plain
	}
	has := func(prefix string) bool { return len(line) >= len(prefix) && string(line[:len(prefix)]) == prefix }
	switch line[0] {
	case '#':
		if isFrame(line) {
			return e.within(trace)
		}
	case 'S', 'P':
		if string(bytes.TrimPrefix(line, []byte("PHP "))) == "Stack trace:" {
			return e.within(trace)
		}
	case '[':
		switch {
		case has("[stacktrace]"), has("[previous exception] "): // Monolog's
			return e.within(trace)
		case has("[signal "):
			return panicked
		}
	case 'g':
		if has("goroutine ") && bytes.IndexByte(line, '[') > 0 {
			return stack
		}
	case 'r':
		if string(line) == "runtime stack:" {
			return stack
		}
	}
	switch e.last {
	case uncaught:
		if has("  thrown in ") {
			return trace
		}
		return uncaught
	case object:
		if has(`"}`) || has(`",`) {
			return trace
		}
		return object
	case trace:
		if has("  thrown in ") || has(`"}`) || has(`",`) || has("Next ") && isThrown(line[len("Next "):]) {
			return trace
		}
	case panicked:
		if line[0] == '\t' {
			return panicked
		}
	case stack:
		if line[0] == '\t' || has("created by ") || has("...") || has("exit status ") || isCall(line) ||
			isRegister(line) {
			return stack
		}
	}
	return plain
}

// within is next, or what the entry is already where that has an end of its own.
func (e *Entry) within(next kind) kind {
	if e.last == uncaught || e.last == object {
		return e.last
	}
	return next
}

// opensObject says that a line of Monolog's ends within an exception, which it writes out: its message has more lines,
// or a trace.
func opensObject(line []byte) bool {
	text := bytes.TrimRight(line, " ")
	if len(text) == 0 || text[0] != '[' || text[len(text)-1] == '}' || text[len(text)-1] == ']' {
		return false
	}
	return bytes.Contains(text, []byte(`"[object] (`))
}

// isFrame says that a line is one of a trace of PHP's: #0 /srv/app/index.php(12): f(), or #1 {main}.
func isFrame(line []byte) bool {
	n := 1 + digits(line[1:])
	if n == 1 || n == len(line) || line[n] != ' ' {
		return false
	}
	what := line[n+1:]
	return string(what) == "{main}" || bytes.HasPrefix(what, []byte("[internal function]: ")) ||
		bytes.Contains(what, []byte("): "))
}

// isThrown says that a text begins as PHP has an exception: its class, and then its message or its place.
func isThrown(text []byte) bool {
	class, rest, _ := bytes.Cut(text, []byte(" "))
	return bytes.HasSuffix(class, []byte(":")) || bytes.HasPrefix(rest, []byte("in "))
}

// isCall says that a line of a goroutine's stack names a function: main.f(0xc000012345, {0x1, 0x2}).
func isCall(line []byte) bool {
	open := bytes.IndexByte(line, '(')
	return open > 0 && line[len(line)-1] == ')' && bytes.IndexByte(line[:open], ' ') < 0
}

// isRegister says that a line is one of the processor's registers: rip    0x45d3c0.
func isRegister(line []byte) bool {
	name, value, found := bytes.Cut(line, []byte(" "))
	return found && len(name) <= 6 && bytes.HasPrefix(bytes.TrimLeft(value, " "), []byte("0x"))
}

// digits is how many of them text begins with.
func digits(text []byte) (n int) {
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return n
}
