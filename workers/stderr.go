// What a worker prints, on its standard error or as LOGs of level "print": lines, of which printed.go makes entries,
// and a tail for error messages.

package workers

import (
	"bytes"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	tailSize = 4 << 10
	maxText  = 64 << 10 // a longer line, or message of a LOG, is cut
)

// tail keeps the last 4 KiB that were written to it, or as much as size says. It is safe for concurrent use.
type tail struct {
	size int
	mu   sync.Mutex
	buf  []byte
}

func (t *tail) add(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	size := t.size
	if size == 0 {
		size = tailSize
	}
	line = line[max(0, len(line)-size):]
	t.buf = append(append(t.buf, line...), '\n')
	if over := len(t.buf) - size; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
}

// String gives the tail without blank lines at its ends, printable.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.buf
	for len(text) > 0 && !utf8.RuneStart(text[0]) { // the rest of a character that was cut
		text = text[1:]
	}
	return printable(string(bytes.TrimSpace(text)))
}

// splitter cuts what comes in pieces into lines, and calls each with every one that is not empty: without its end, no
// longer than maxText, and with how many bytes it was longer. The line is valid during the call only. A line whose end
// does not come within lineTime is ended: whoever reads the log waits for it, and what comes next may be another's.
type splitter struct {
	each func(line []byte, over int) // called with mu held

	mu   sync.Mutex
	rest []byte      // of a line whose end has not come; guarded by mu
	over int         // how many bytes more of it there were; guarded by mu
	late *time.Timer // set while there is a rest; guarded by mu
}

// lineTime is how long a line may take to be written.
const lineTime = time.Second

// write takes the next piece.
func (s *splitter) write(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		switch {
		case i < 0:
			s.keep(p)
			return
		case len(s.rest) == 0 && i <= maxText:
			s.tell(p[:i], 0)
		default:
			s.keep(p[:i])
			s.cut()
		}
		p = p[i+1:]
	}
}

// end ends the line at hand.
func (s *splitter) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut()
}

func (s *splitter) keep(p []byte) {
	n := min(len(p), maxText-len(s.rest))
	s.rest = append(s.rest, p[:n]...)
	s.over += len(p) - n
	if s.late == nil {
		s.late = time.AfterFunc(lineTime, s.end)
	}
}

func (s *splitter) cut() {
	if s.late != nil {
		s.late.Stop()
		s.late = nil
	}
	s.tell(s.rest, s.over)
	if s.rest, s.over = s.rest[:0], 0; cap(s.rest) > tailSize {
		s.rest = nil
	}
}

func (s *splitter) tell(line []byte, over int) {
	if line = bytes.TrimRight(line, "\r"); len(line) > 0 {
		s.each(line, over)
	}
}
