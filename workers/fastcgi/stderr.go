// What PHP has for the log of a request: FastCGI's STDERR, a message an entry.

package fastcgi

import (
	"context"
	"log/slog"
	"strings"
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
			m.log.Log(m.ctx, levelOf(text), text)
		}
	}
	if m.over > 0 {
		m.log.WarnContext(m.ctx, "PHP said more of this request than the log takes", "bytes_dropped", m.over)
	}
	m.text, m.over = nil, 0
}

// levelOf is how grave PHP means a message to be.
func levelOf(text string) slog.Level {
	text = strings.TrimPrefix(text, "PHP ")
	for _, grave := range []string{"Fatal error:", "Parse error:", "Recoverable fatal error:"} {
		if strings.HasPrefix(text, grave) {
			return slog.LevelError
		}
	}
	for _, mild := range []string{"Warning:", "Deprecated:", "Notice:"} {
		if strings.HasPrefix(text, mild) {
			return slog.LevelWarn
		}
	}
	return slog.LevelInfo
}
