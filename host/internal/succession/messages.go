// What the two hosts say to each other. A field that one of them does not know is skipped, and one that is missing is
// its zero value; so a field keeps its meaning.

package succession

import (
	"fmt"
	"os"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// The kinds of messages.
const (
	// of the giver, before Hand
	kindRealm       = "hub.realm"
	kindConnections = "hub.connections"
	kindEnd         = "hub.end"
	kindGo          = "hub.go"
	// of the giver, after it
	kindCommit = "hub.commit"
	kindCall   = "hub.call"
	kindSwap   = "hub.swap"
	kindDone   = "hub.done"
	kindOpen   = "hub.open"
	kindHold   = "hub.hold"
	kindSocket = "hub.socket"
	kindClosed = "hub.closed"
	kindIdle   = "lane.idle"
	// of the heir
	kindTook      = "hub.took"
	kindAdopted   = "hub.adopted"
	kindBegun     = "hub.begun"
	kindCommitted = "hub.committed"
	kindResult    = "hub.result"
	kindAnswered  = "hub.answered"
	kindCut       = "hub.cut"
)

// Sender is a link to the other host, as far as messages are sent (see [handover.Link.Send]).
type Sender interface {
	Send(kind string, body any, files ...*os.File) error
}

// realmMessage says what a realm's hub has counted.
type realmMessage struct {
	Realm   string      `msgpack:"realm"`
	Tallies []hub.Tally `msgpack:"tallies"`
}

// connectionsMessage has some of a realm's connections. The files are the sockets of those that have one, in order.
type connectionsMessage struct {
	Realm string       `msgpack:"realm"`
	All   []connection `msgpack:"all"`
}

// connection is one, as hub and peer have recorded it.
type connection struct {
	ID     string       `msgpack:"id"`
	Hub    *hub.Record  `msgpack:"hub"`
	Peer   *peer.Record `msgpack:"peer"`
	Socket bool         `msgpack:"socket"` // its socket is here; else it comes later
}

// adoptedMessage says which connections the heir can't take, and why it can't take any.
type adoptedMessage struct {
	Refused []refused `msgpack:"refused"`
	Error   string    `msgpack:"error"`
}

type refused struct {
	Realm  string `msgpack:"realm"`
	ID     string `msgpack:"id"`
	Reason string `msgpack:"reason"`
}

type emptyMessage struct{}

// commitMessage is [hub.Heir.Commit].
type commitMessage struct {
	Number  uint64 `msgpack:"number"` // its answer has it, too
	Realm   string `msgpack:"realm"`
	Subject string `msgpack:"subject"`
	Refused bool   `msgpack:"refused"`
	Acts    []act  `msgpack:"acts"`
}

// act is one of SPEC.md §10.3: its frame, and a SEND's bytes beside it, which may be more than a frame has.
type act struct {
	Frame []byte `msgpack:"frame"`
	Bytes []byte `msgpack:"bytes"`
}

type committedMessage struct {
	Number      uint64 `msgpack:"number"`
	Error       string `msgpack:"error"`
	Unavailable bool   `msgpack:"unavailable"`
}

// callMessage is a CALL or a SWAP, and resultMessage its RESULT.
type callMessage struct {
	Number uint64 `msgpack:"number"`
	Realm  string `msgpack:"realm"`
	Frame  []byte `msgpack:"frame"`
}

type resultMessage struct {
	Number uint64 `msgpack:"number"`
	Frame  []byte `msgpack:"frame"`
}

type doneMessage struct {
	Realm   string      `msgpack:"realm"`
	ID      string      `msgpack:"id"`
	Outcome hub.Outcome `msgpack:"outcome"`
}

// singleMessage has a connection that has come to the giver.
type singleMessage struct {
	Realm      string     `msgpack:"realm"`
	Connection connection `msgpack:"connection"`
}

// socketMessage comes with the socket of a connection that the heir has, as its only file.
type socketMessage struct {
	Realm string       `msgpack:"realm"`
	ID    string       `msgpack:"id"`
	Peer  *peer.Record `msgpack:"peer"`
	Until int64        `msgpack:"until"` // Unix nanoseconds; 0: it is the client's own
}

type closedMessage struct {
	Realm  string `msgpack:"realm"`
	ID     string `msgpack:"id"`
	Code   int    `msgpack:"code"`
	Reason string `msgpack:"reason"`
	Clean  bool   `msgpack:"clean"`
}

// answeredMessage is a [hub.Admission]. Without Accepted, Failure and Response the giver's own workers have refused
// it.
type answeredMessage struct {
	Realm       string   `msgpack:"realm"`
	ID          string   `msgpack:"id"`
	Accepted    bool     `msgpack:"accepted"`
	Subprotocol string   `msgpack:"subprotocol"`
	Headers     []string `msgpack:"headers"`
	Failure     int      `msgpack:"failure"`
	Detail      string   `msgpack:"detail"`
	Response    []byte   `msgpack:"response"` // a frame
}

type cutMessage struct {
	Realm string `msgpack:"realm"`
	ID    string `msgpack:"id"`
}

// prefix is the length before a frame's payload.
const prefix = 4

func payload(frame []byte) ([]byte, error) {
	if len(frame) < prefix {
		return nil, fmt.Errorf("half a frame of %d bytes", len(frame))
	}
	return frame[prefix:], nil
}

func encodeActs(acts []protocol.Act) []act {
	all := make([]act, len(acts))
	for i, a := range acts {
		if m, ok := a.(*protocol.Send); ok {
			bare := *m
			bare.Bytes = nil
			all[i] = act{Frame: bare.AppendFrame(nil), Bytes: m.Bytes}
			continue
		}
		all[i].Frame = a.AppendFrame(nil)
	}
	return all
}

func decodeActs(all []act) ([]protocol.Act, error) {
	acts := make([]protocol.Act, len(all))
	for i := range all {
		p, err := payload(all[i].Frame)
		if err != nil {
			return nil, err
		}
		kind, _, err := protocol.Head(p)
		if err != nil {
			return nil, err
		}
		a := protocol.NewAct(kind)
		if a == nil {
			return nil, fmt.Errorf("%v, which is no act", kind)
		}
		if err := a.Parse(p); err != nil {
			return nil, err
		}
		if m, ok := a.(*protocol.Send); ok {
			m.Bytes = all[i].Bytes
		}
		acts[i] = a
	}
	return acts, nil
}
