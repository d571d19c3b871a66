// The Date of responses.

package http1

import (
	"sync/atomic"
	"time"
)

// dated is the Date field of a second.
type dated struct {
	second int64
	text   []byte
}

var lastDate atomic.Pointer[dated]

// dateFormat is RFC 9110's, §5.6.7.
const dateFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// date is the time as Date has it (RFC 9110 §6.6.1). Many responses of one second share one.
func date(now time.Time) []byte {
	second := now.Unix()
	if d := lastDate.Load(); d != nil && d.second == second {
		return d.text
	}
	d := &dated{second, now.UTC().AppendFormat(nil, dateFormat)}
	lastDate.Store(d)
	return d.text
}
