// desk.go: what workers ask (SPEC.md §16.2).

package dial

import (
	"errors"

	"github.com/workerhost/workerhost/protocol"
)

// Prefix is what stands before the dot of the methods.
const Prefix = "dial"

// desk answers the workers of a pool.
type desk struct {
	room  *Room
	owner *Owner // nil: they may only ask
}

// Desk answers the calls of a pool's workers; nil is for whoever may only ask for ids. It never waits.
func (r *Room) Desk(of *Owner) protocol.Answerer { return &desk{r, of} }

// Call implements [protocol.Answerer].
func (k *desk) Call(m *protocol.Call, to protocol.Caller) {
	var answer any
	var err error
	switch m.Method {
	case protocol.CallDialOpen:
		answer, err = k.open(m, to)
	case protocol.CallDialClose:
		answer, err = k.close(m)
	case protocol.CallDialID:
		var name string
		if name, err = protocol.ParseDialName(m.Method, m.Arguments); err == nil {
			if id := k.room.ID(name); id != "" {
				answer = id
			}
		} else {
			err = refuse(protocol.CallInvalidArgument, "%v", err)
		}
	default:
		protocol.UnknownMethod(m, to)
		return
	}
	var no *refusal
	switch {
	case errors.As(err, &no):
		to.Fail(no.code, "%s", no.why)
		return
	case err != nil:
		to.Fail(protocol.CallInternal, "%v", err)
		return
	}
	value, err := protocol.NewValue(answer)
	if err != nil {
		to.Fail(protocol.CallInternal, "%v", err)
		return
	}
	to.Reply(&protocol.Result{Value: value})
}

func (k *desk) open(m *protocol.Call, to protocol.Caller) (string, error) {
	if k.owner == nil {
		return "", refuse(protocol.CallPermissionDenied, "this worker must not dial")
	}
	asked, err := protocol.ParseDial(m.Arguments)
	if err != nil {
		return "", refuse(protocol.CallInvalidArgument, "%v", err)
	}
	asker := to.Asker()
	fence, ok := asker.Terms.(Fence)
	if !ok {
		return "", refuse(protocol.CallPermissionDenied, "[pool.%s.fetch] allow has nothing, so nothing may be dialed",
			k.owner.Pool)
	}
	if !asker.Events.Any() { // its pool may not know yet what it handles
		return "", refuse(protocol.CallInvalidArgument, "%v", errDeaf)
	}
	o := &Order{Dial: asked, Owner: k.owner, Generation: asker.Generation, Fence: fence}
	if err := o.Check(); err != nil {
		return "", err
	}
	return k.room.Open(o)
}

func (k *desk) close(m *protocol.Call) (bool, error) {
	if k.owner == nil {
		return false, refuse(protocol.CallPermissionDenied, "this worker must not dial")
	}
	name, err := protocol.ParseDialName(m.Method, m.Arguments)
	if err != nil {
		return false, refuse(protocol.CallInvalidArgument, "%v", err)
	}
	return k.room.Close(name)
}

var errDeaf = errors.New("this worker's code handles no connections: give it a handler of messages (onMessage, " +
	"OnMessage)")
