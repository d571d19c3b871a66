// calls.go: what workers ask (SPEC.md §19.4).

package presence

import "github.com/workerhost/workerhost/protocol"

// Prefix is what the names of the room's methods begin with, before the dot.
const Prefix = "presence"

// Call implements [protocol.Answerer].
func (r *Room) Call(m *protocol.Call, to protocol.Caller) {
	if m.Method != protocol.CallMembers {
		protocol.UnknownMethod(m, to)
		return
	}
	group := ""
	if len(m.Arguments) == 1 {
		if v, err := m.Arguments[0].Decode(); err == nil {
			group, _ = v.(string)
		}
	}
	if group == "" {
		to.Fail(protocol.CallInvalidArgument, "%s takes the name of one group", m.Method)
		return
	}
	users, told := r.Members(group)
	if !told {
		to.Fail(protocol.CallNotFound, "nobody keeps who is in the group %q: host.toml needs a [channel] that names "+
			"it and has presence", group)
		return
	}
	value, err := protocol.NewValue(users)
	if err != nil {
		to.Fail(protocol.CallInternal, "%v", err)
		return
	}
	to.Reply(&protocol.Result{Value: value})
}
