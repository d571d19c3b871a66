// trial.go: one canary of one pool, and the way of an exchange through it.

package canary

import (
	"crypto/rand"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// Settings say who goes where.
type Settings struct {
	// By is what a client is known again by: "cookie", which the trial sets, "header:NAME", "address", or "request",
	// which knows nobody.
	By     string
	Secret string        // whoever knows it may choose; "" is nobody
	Memory time.Duration // for how long a client's cookie is good
}

// Trial is a canary. Its methods are safe for concurrent use.
type Trial struct {
	settings           Settings
	stable             hub.Backend // set by Splitter.Divide
	control, candidate hub.Backend
	fileRoots          []string
	key                [32]byte
	share              atomic.Uint64 // a float64's bits
	closed             atomic.Bool
	connections        sync.Map // of those that are not stable: their ids, and a placed for each

	mu sync.Mutex
	watch
}

// NewTrial makes a trial that nobody goes to before [Trial.SetShare]. fileRoots are the folders that any of the three
// may have files served from.
func NewTrial(s Settings, control, candidate hub.Backend, fileRoots []string) *Trial {
	t := &Trial{settings: s, control: control, candidate: candidate, fileRoots: slices.Clone(fileRoots)}
	rand.Read(t.key[:])
	t.watch = newWatch()
	return t
}

// SetShare is the share of all clients that go to the candidate, and that go to the control: at most one half. A
// greater one than before moves no client away from either.
func (t *Trial) SetShare(share float64) { t.share.Store(math.Float64bits(min(share, 0.5))) }

// where is where an exchange goes, and what others it is to be compared with.
func (t *Trial) where(x *protocol.Exchange) (to placed, kind string) {
	switch r := x.Request.(type) {
	case *protocol.Request:
		to = t.place(r)
		path, _, _ := strings.Cut(r.Target, "?")
		kind = r.Method + " " + path
	case *protocol.Open:
		if r.Request == nil || x.Subject == nil {
			break // TCP, which knows no client again
		}
		if to = t.place(r.Request); to.arm != Stable {
			to.cookie = ""
			t.connections.Store(x.Subject.ConnectionID(), to)
		}
		kind = "OPEN"
	default:
		if x.Subject == nil {
			break
		}
		if found, ok := t.connections.Load(x.Subject.ConnectionID()); ok {
			to = found.(placed)
		}
		kind = x.Request.Type().String()
	}
	return to, kind
}

// Tries says whether a request, of which Headers and Remote are enough, is of a client that the candidate serves. One
// that it does not know again is of none.
func (t *Trial) Tries(r *protocol.Request) bool {
	if t.closed.Load() {
		return false
	}
	if arm, ok := t.forced(r); ok {
		return arm == Candidate
	}
	key, _ := t.client(r)
	return key != "" && t.lot(key) == Candidate
}

func (t *Trial) backend(arm Arm) hub.Backend {
	switch arm {
	case Control:
		return t.control
	case Candidate:
		return t.candidate
	}
	return t.stable
}
