// refuser.go: the hub of workers whose code is only looked at.

package shadow

import (
	"slices"

	"github.com/workerhost/workerhost/protocol"
)

// Refuser is a [protocol.Hub] that carries nothing out. What only asks is answered by the pool's own hub. It is safe
// for concurrent use.
type Refuser struct {
	asked protocol.Answerer
	count func(what string)
}

// NewRefuser makes one before the pool's own hub. What it refuses it tells count, by its name.
func NewRefuser(asked protocol.Answerer, count func(what string)) *Refuser {
	return &Refuser{asked: asked, count: count}
}

// questions are the methods that change nothing. A method that is not known here may.
var questions = []string{"count", "ids", "uids", "online", "user", "groups",
	"connection", "connections", "session", protocol.CallMembers, protocol.CallDialID,
	protocol.CallStoreGet, protocol.CallStoreGetMany, protocol.CallStoreScan}

// Commit implements [protocol.Hub].
func (r *Refuser) Commit(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	if c, ok := subject.(*copied); ok {
		c.acts.Store(true)
	}
	for _, act := range acts {
		r.count(act.Type().String())
	}
	done(nil)
}

// Call implements [protocol.Hub].
func (r *Refuser) Call(m *protocol.Call, to protocol.Caller) {
	if slices.Contains(questions, m.Method) {
		r.asked.Call(m, to)
		return
	}
	r.count("CALL " + m.Method)
	to.Fail(protocol.CallPermissionDenied, "this code is only looked at: it must not change what is live")
}

// Swap implements [protocol.Hub].
func (r *Refuser) Swap(_ *protocol.Swap, to protocol.Caller) {
	r.count("SWAP")
	to.Fail(protocol.CallPermissionDenied, "this code is only looked at: it must not change what is live")
}
