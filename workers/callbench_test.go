package workers

import (
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// silent is a pipe that takes all at once.
type silent struct{}

func (silent) Write(p []byte) (int, error)    { return len(p), nil }
func (silent) TryWrite(p []byte) (int, error) { return len(p), nil }

// BenchmarkCall is what the reader of frames does for a call that is answered at once, without the way over the link.
func BenchmarkCall(b *testing.B) {
	w := benchCaller(new(fakeHub))
	var m messages
	question := protocol.Call{Method: "count"}
	var frame []byte
	b.ReportAllocs()
	for b.Loop() {
		question.Stream += 2
		frame = question.AppendFrame(frame[:0])
		if err := w.onCall(&m, protocol.TypeCall, question.Stream, frame[4:]); err != nil {
			b.Fatal(err)
		}
	}
}

func benchCaller(hub protocol.Hub) *worker {
	w := &worker{gen: &generation{settings: &Settings{Hub: hub}}, reader: reader{greeted: true},
		process: &fakeProcess{}}
	w.calls.open = map[uint32]call{}
	w.conn = protocol.NewConn(nil, silent{})
	return w
}

type benchHub struct{ *fakeHub }

func (benchHub) Commit(_ protocol.Subject, _ []protocol.Act, done func(error)) { done(nil) }

// BenchmarkAct is what the reader of frames does for an act that does not wait, and that is carried out at once.
func BenchmarkAct(b *testing.B) {
	w := benchCaller(benchHub{})
	frame := (&protocol.Send{To: protocol.ToAll, Bytes: []byte("Hello, World!")}).AppendFrame(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := w.onAct(protocol.TypeSend, 0, frame[4:]); err != nil {
			b.Fatal(err)
		}
	}
}
