package protocol

import (
	"context"
	"testing"
)

// room answers with its name.
type room string

func (r room) Call(m *Call, to Caller)                     { to.Reply(&Result{Error: string(r) + " " + m.Method}) }
func (r room) Swap(m *Swap, to Caller)                     { to.Reply(&Result{Error: string(r) + " SWAP"}) }
func (r room) Commit(_ Subject, _ []Act, done func(error)) { done(nil) }

// lastReply is a desk that keeps the last answer.
type lastReply struct{ r Result }

func (d *lastReply) Reply(_ uint32, r *Result)      { d.r = *r }
func (d *lastReply) Waiting(uint32) context.Context { return context.Background() }

func TestARouterKnowsAMethodByWhatStandsBeforeItsDot(t *testing.T) {
	r := &Router{Hub: room("hub"), Rooms: map[string]Answerer{"store": room("store"), "task": room("task")}}
	for method, want := range map[string]string{
		"count": "hub count", "": "hub ", "storeget": "hub storeget", "store.get": "store store.get",
		"task.push.now": "task task.push.now", "store.": "store store.",
	} {
		var got lastReply
		if r.Call(&Call{Method: method}, NewCaller(&got, 2)); got.r.Error != want {
			t.Errorf("%q was answered by %q", method, got.r.Error)
		}
	}
	var got lastReply
	if r.Call(&Call{Method: "lock.take"}, NewCaller(&got, 2)); got.r.Code != CallUnimplemented {
		t.Errorf("a method that nobody has was answered with %s %q", got.r.Code, got.r.Error)
	}
	if r.Swap(&Swap{}, NewCaller(&got, 2)); got.r.Error != "hub SWAP" {
		t.Errorf("a SWAP was answered by %q", got.r.Error)
	}
}
