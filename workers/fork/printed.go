//go:build linux

// What is printed by processes that are no workers: the template, and what workers have left behind.

package fork

import (
	"bytes"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/go-hclog"
)

const (
	longest = 8 << 10 // of a line
	most    = 100     // lines a second
)

// printed logs lines, each with the process that it is from. One goroutine calls.
type printed struct {
	log    hclog.Logger
	pid    int
	rest   []byte // of its line
	second time.Time
	lines  int // in it
}

func (p *printed) take(pid int, b []byte) {
	if pid != p.pid {
		p.tell()
		p.pid = pid
	}
	for {
		line, more, ends := bytes.Cut(b, []byte("\n"))
		p.rest = append(p.rest, line[:min(len(line), longest-len(p.rest))]...)
		if !ends {
			return
		}
		p.tell()
		b = more
	}
}

func (p *printed) tell() {
	text := strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(string(p.rest), "?")))
	p.rest = p.rest[:0]
	if text == "" {
		return
	}
	if now := time.Now(); now.Sub(p.second) > time.Second {
		p.second, p.lines = now, 0
	}
	switch p.lines++; {
	case p.lines < most:
		p.log.Info(text, "printed_by", p.pid)
	case p.lines == most:
		p.log.Warn("more is printed by processes that are no workers than the log takes: the rest of this second is "+
			"dropped", "lines", most)
	}
}
