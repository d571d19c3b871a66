// position.go: where in a history a client is.

package channel

import (
	"strconv"
	"strings"
	"time"
)

// position is up to where a client has all: the number of a message in the stream, and when that was.
type position struct {
	seq uint64
	at  time.Time // to the millisecond
}

// String is what clients get. They give it back, and need not understand it.
func (p position) String() string {
	return "p" + strconv.FormatUint(p.seq, 36) + "-" + strconv.FormatInt(p.at.UnixMilli(), 36)
}

// parse reads what a client gives back; ok is false of what is none of ours.
func parse(s string) (p position, ok bool) {
	seq, at, cut := strings.Cut(strings.TrimPrefix(s, "p"), "-")
	if !cut || !strings.HasPrefix(s, "p") || len(s) > 32 {
		return position{}, false
	}
	n, err := strconv.ParseUint(seq, 36, 64)
	ms, wrong := strconv.ParseInt(at, 36, 64)
	if err != nil || wrong != nil || ms < 0 {
		return position{}, false
	}
	p = position{n, time.UnixMilli(ms)}
	return p, p.String() == s
}
