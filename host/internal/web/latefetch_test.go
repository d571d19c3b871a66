package web

import (
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// asking is a stream of a worker whose responses all ask for a fetch, by the terms of its generation.
type asking struct{ swift }

func (a *asking) Terms() any                   { return a }
func (a *asking) Asks(*protocol.Response) bool { return true }

func TestAFetchThatNobodyHasTakenReachesNoClient(t *testing.T) {
	for stream, want := range map[protocol.Stream]error{&swift{}: nil, &asking{}: errLateFetch} {
		x := &exchange{handler: &Handler{}, terms: &terms{}, wake: make(chan struct{}, 1)}
		x.Begin(stream)
		x.Respond(&protocol.Response{Status: 200})
		if _, err := x.checkHead(false); err != want {
			t.Errorf("%T: %v", stream, err)
		}
	}
}
