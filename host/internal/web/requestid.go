// Request ids: a client's own if it is fit for a log line, else one of ours.

package web

import (
	"math/rand/v2"
)

// identify settles the request's id and tells the client. "" is without. A given one that is not fit is taken away, so
// that no worker sees another one than the log does.
func (v *visit) identify() {
	name := v.terms.RequestID
	if name == "" {
		return
	}
	if given, n := v.first(name); n == 1 && saneID(given) {
		v.id = given
	} else if n > 0 {
		v.remove(func(other string) bool { return other == name })
	}
	if v.id == "" {
		v.id = newID()
	}
	v.w.Header()[name] = []string{v.id}
}

// newID makes an id that no other request has: 128 random bits, like a trace's.
func newID() string {
	var b [32]byte
	for half := range 2 {
		n := rand.Uint64()
		for i := range 16 {
			b[16*half+i] = "0123456789abcdef"[n&15]
			n >>= 4
		}
	}
	return string(b[:])
}
