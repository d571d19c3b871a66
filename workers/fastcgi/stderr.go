// What PHP has for the log of a request: FastCGI's STDERR, a message an entry.

package fastcgi

import (
	"context"
	"log/slog"
	"strings"

	"github.com/workerhost/workerhost/workers/internal/logline"
)

const (
	messagePrefix = "PHP message: "
	maxLine       = 64 << 10 // of what PHP says of a request; the rest is dropped, and counted
)

// messages are those of one request. They are told when it is over, or when they have become many.
type messages struct {
	log  *slog.Logger
	ctx  context.Context // the request's
	said *said           // nil: nobody else tells them
	text []byte
	over int // bytes that there was no room for
}

func (m *messages) write(p []byte) {
	n := min(len(p), maxLine-len(m.text))
	m.text = append(m.text, p[:n]...)
	m.over += len(p) - n
}

// tell logs what has come.
func (m *messages) tell() {
	for message := range strings.SplitSeq(string(m.text), "; "+messagePrefix) {
		for text := range strings.SplitSeq(message, "\n"+messagePrefix) {
			text = strings.TrimSpace(strings.TrimPrefix(text, messagePrefix))
			if text == "" {
				continue
			}
			m.said.tells(text)
			m.logEntry(text)
		}
	}
	if m.over > 0 {
		m.log.WarnContext(m.ctx, "PHP said more of this request than the log takes", "bytes_dropped", m.over)
	}
	m.text, m.over = nil, 0
}

// maxTrace is of a trace that is logged as such: what no LOG takes as a field is cut as a text.
const maxTrace = maxLine / 2

// logEntry logs one message, and apart from it the trace that it may have.
func (m *messages) logEntry(text string) {
	line, rest, _ := strings.Cut(text, "\n")
	var entry logline.Entry
	level := entry.Start([]byte(line))
	if next, _, _ := strings.Cut(rest, "\n"); entry.Continues([]byte(next)) && len(rest) <= maxTrace {
		m.log.Log(m.ctx, level, line, "trace", rest)
		return
	}
	m.log.Log(m.ctx, level, text)
}
