// A worker's stderr: lines for the log, and a tail for error messages.

package workers

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
)

const (
	tailSize = 4 << 10
	maxLine  = 16 << 10 // a longer line is logged in pieces
)

// tail keeps the last 4 KiB that were written to it, or as much as size says. It is safe for concurrent use.
type tail struct {
	size int
	mu   sync.Mutex
	buf  []byte
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(append(t.buf, line...), '\n')
	size := t.size
	if size == 0 {
		size = tailSize
	}
	if over := len(t.buf) - size; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
}

// String gives the tail without blank lines at its ends.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(string(bytes.TrimSpace(t.buf)), "\uFFFD")
}

// graveLines are how PHP and Go begin what should not drown among the rest.
var graveLines = []struct {
	begin string
	level hclog.Level
}{
	{"Fatal error: ", hclog.Error}, {"Parse error: ", hclog.Error}, {"Recoverable fatal error: ", hclog.Error},
	{"panic: ", hclog.Error}, {"fatal error: ", hclog.Error},
	{"Warning: ", hclog.Warn}, {"Deprecated: ", hclog.Warn}, {"Notice: ", hclog.Warn},
}

// lineLevel is the level to log a line of stderr with.
func lineLevel(line []byte) hclog.Level {
	line = bytes.TrimPrefix(line, []byte("PHP "))
	for _, g := range graveLines {
		if bytes.HasPrefix(line, []byte(g.begin)) {
			return g.level
		}
	}
	return hclog.Info
}

// readLines calls each with every line of r, without its end, until r ends. The line is valid during the call only.
func readLines(r io.Reader, each func(line []byte)) {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			each(line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}
