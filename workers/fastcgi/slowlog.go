// php-fpm's log of slow requests: where PHP stands in them, as entries of the host's log.

package fastcgi

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	entryGap  = 200 * time.Millisecond // of silence, after which an entry is whole: it has no end of its own
	mostNamed = 1000                   // requests whose trace has not come
)

// slowLog reads the slow log of a master. The master names the request in a log of its own, where it comes first.
type slowLog struct {
	file *os.File // a named pipe, of which this program has both ends: so it never ends, and no writer waits
	log  *slog.Logger

	mu    sync.Mutex
	named map[string]slowRequest // by its child's pid; guarded by mu
}

// slowRequest is one as the master names it.
type slowRequest struct{ name, running string }

// read tells each entry, until the file is closed. ctx is that of the link that has the log.
func (s *slowLog) read(ctx context.Context) {
	var text []byte
	b := make([]byte, 16<<10)
	for {
		if err := s.file.SetReadDeadline(time.Time{}); len(text) > 0 && err == nil {
			s.file.SetReadDeadline(time.Now().Add(entryGap))
		}
		n, err := s.file.Read(b)
		text = append(text, b[:n]...)
		for {
			i := bytes.Index(text, []byte("\n\n["))
			if i < 0 {
				break
			}
			s.tell(ctx, string(text[:i]))
			text = append(text[:0], text[i+1:]...)
		}
		if err != nil || len(text) > maxLine {
			s.tell(ctx, string(text))
			text = text[:0]
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

var (
	// tooSlow is the master's own line of it: child, request, time
	tooSlow = regexp.MustCompile(
		`^\[pool [^\]]*\] child (\d+), script '.*' \(request: "(.*)"\) executing too slow \((\d+\.\d\d)\d* sec\), logging$`)
	slowHead  = regexp.MustCompile(`^\[[^\]]*\]\s+\[pool [^\]]*\] pid (\d+)$`) // an entry's first line
	slowFrame = regexp.MustCompile(`^\[0x[0-9a-f]+\] `)
)

// takes says whether a line of the master is one that an entry stands for. It is safe for concurrent use.
func (s *slowLog) takes(line string) bool {
	m := tooSlow.FindStringSubmatch(line)
	if s == nil || m == nil {
		return false
	}
	name, _, _ := strings.Cut(m[2], "?")
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.named) < mostNamed {
		s.named[m[1]] = slowRequest{name, m[3] + "s"}
	}
	return true
}

// tell logs an entry.
func (s *slowLog) tell(ctx context.Context, entry string) {
	head, rest, _ := strings.Cut(strings.TrimSpace(entry), "\n")
	m := slowHead.FindStringSubmatch(head)
	if m == nil {
		return
	}
	s.mu.Lock()
	named := s.named[m[1]]
	delete(s.named, m[1])
	s.mu.Unlock()
	script, trace := "", []string{}
	for line := range strings.SplitSeq(rest, "\n") {
		if name, ok := strings.CutPrefix(line, "script_filename = "); ok && script == "" {
			script = name
		} else if line != "" {
			trace = append(trace, slowFrame.ReplaceAllString(line, ""))
		}
	}
	s.log.WarnContext(ctx, "where PHP stands in a slow request", "child", m[1], "of", named.name,
		"running", named.running, "script", script, "backtrace", strings.Join(trace, "\n"))
}
