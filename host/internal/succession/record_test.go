// Records of other versions, and of nobody's.

package succession

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/workerhost/workerhost/host/internal/handover"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// recorded is what testdata/connections-1.hex has, which version 1 wrote. The file is never written anew: what comes
// after version 1 has to understand it.
func recorded() connectionsMessage {
	view := func(id, kind, listener string) protocol.Value {
		c := protocol.Connection{ID: id, Protocol: kind, Remote: "192.0.2.1:4000", Listener: listener, UID: "ada",
			Groups: []string{"room", "news"}, Session: []protocol.Entry{{Key: "cart", Value: value(7)}}}
		return c.Value()
	}
	open := &protocol.Open{Stream: 1, Connection: protocol.Connection{ID: "old-3", Protocol: protocol.ProtoTCP,
		Remote: "192.0.2.1:4000", Listener: tcpAddress}}
	return connectionsMessage{Realm: "default", All: []connection{
		{ID: "old-1",
			Hub: &hub.Record{Connection: view("old-1", protocol.ProtoWebSocket, webAddress), Version: 3, Since: 1e18,
				Route: "chat", Pool: "web", Known: true, Handles: "message", Told: true,
				Inbox: []hub.Waiting{{Data: []byte("a"), Binary: true, Alone: true, Attempt: 2}},
				Outbox: []hub.Piece{{Data: []byte("st"), Kind: "begun"}, {Data: []byte("whole")},
					{Data: []byte("p"), Kind: "raw"}},
				MessagesIn: 1, MessagesOut: 2, BytesIn: 3, BytesOut: 4, Dropped: 5},
			Peer: &peer.Record{Who: "192.0.2.1", IdleFor: 10, QuietFor: 20, Paid: 30, Deflate: true,
				Frames: &peer.FramesRecord{Inside: true, Op: 1, Fin: true, Mask: []byte("mask"), Passed: 3, Left: 4,
					Fragmented: true, Binary: true, Compressed: true, Data: []byte("abc"), Checked: 2}}},
		{ID: "old-2",
			Hub: &hub.Record{Connection: view("old-2", protocol.ProtoSSE, webAddress), Version: 1, Pool: "web",
				Once: true, Expires: 9e18},
			Peer: &peer.Record{Events: true, Chunked: true, Ignored: 3}},
		{ID: "old-3",
			Hub: &hub.Record{Connection: view("old-3", protocol.ProtoTCP, tcpAddress), Pool: "web",
				Opening: open.AppendFrame(nil), Submitted: true, Refused: true},
			Peer: &peer.Record{Framing: "length16", Partial: []byte("ab"), Begun: true, Want: 5}},
	}}
}

const frozen = "testdata/connections-1.hex"

func TestRecordsOfTheFirstVersionAreUnderstood(t *testing.T) {
	text, err := os.ReadFile(frozen)
	if errors.Is(err, os.ErrNotExist) && os.Getenv("FREEZE") != "" {
		b, _ := msgpack.Marshal(recorded())
		text = []byte(hex.EncodeToString(b) + "\n")
		err = os.WriteFile(frozen, text, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	body, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	var got connectionsMessage
	if err := (handover.Message{Body: body}).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if want := recorded(); !reflect.DeepEqual(got, want) {
		t.Errorf("it says\n%+v\nand not\n%+v", got, want)
	}
	next := start(t, "next")
	said := &sayings{}
	to := NewTaker(said, func(string) *hub.Hub { return next.hub }, next.listener, hclog.NewNullLogger())
	handlers := to.Handlers()
	for _, m := range []handover.Message{{Kind: kindConnections, Body: body}, {Kind: kindEnd}, {Kind: kindGo}} {
		if err := handlers[m.Kind](m); err != nil {
			t.Fatal(m.Kind, err)
		}
	}
	if len(to.refused) > 0 {
		t.Errorf("some were refused: %+v", to.refused)
	}
	for _, i := range next.hub.List() {
		if i.UID != "ada" || fmt.Sprint(i.Groups) != "[room news]" || i.SessionSize == 0 {
			t.Errorf("%+v", i)
		}
	}
	if n := next.hub.Count("news", false); n != 2 { // the third one is not open yet
		t.Errorf("%d connections are in the group", n)
	}
	to.End(next.hub) // their sockets never come
	eventually(t, func() bool { return next.hub.Count("", true) == 0 })
}

// What a newer host says beside is skipped, and what an older one does not say has a default.
func TestRecordsOfOtherVersionsAreUnderstoodAsFarAsTheyGo(t *testing.T) {
	next := start(t, "next")
	card := protocol.Connection{ID: "x", Protocol: protocol.ProtoWebSocket, Remote: "192.0.2.1:1",
		Listener: webAddress}
	body, err := msgpack.Marshal(map[string]any{"realm": "default", "weather": "fine", "all": []any{map[string]any{
		"id": "x", "hub": map[string]any{"connection": []byte(card.Value()), "pool": "web", "colour": 7},
		"peer": map[string]any{"frames": nil, "songs": []string{"a"}}, "more": map[string]any{"a": 1},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	to := NewTaker(&sayings{}, func(string) *hub.Hub { return next.hub }, next.listener, hclog.NewNullLogger())
	if err := to.onConnections(handover.Message{Body: body}); err != nil || len(to.refused) > 0 {
		t.Errorf("%v %+v", err, to.refused)
	}
	to.End()
}

// sayings is a link that nobody hears.
type sayings struct{}

func (*sayings) Send(_ string, _ any, files ...*os.File) error {
	for _, f := range files {
		f.Close()
	}
	return nil
}

// Whatever comes is refused or does no harm.
func FuzzTaker(f *testing.F) {
	add := func(kind string, body any) {
		b, err := msgpack.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(kind, b)
	}
	all := recorded()
	add(kindConnections, all)
	add(kindHold, singleMessage{"default", all.All[1]})
	add(kindOpen, singleMessage{"default", all.All[2]})
	add(kindDone, doneMessage{"default", "old-1", hub.Outcome{Failure: 8, Again: []hub.Waiting{{Data: []byte("x")}}}})
	add(kindCommit, commitMessage{Number: 1, Realm: "default", Subject: "old-1", Acts: encodeActs([]protocol.Act{
		&protocol.Send{Bytes: []byte("x")}, &protocol.Join{Groups: []string{"a"}}})})
	call := &protocol.Call{Stream: 2, Method: "ids"}
	add(kindCall, callMessage{1, "default", call.AppendFrame(nil)})
	add(kindClosed, closedMessage{Realm: "default", ID: "old-2", Code: 1000})
	add(kindRealm, realmMessage{"default", []hub.Tally{{Listener: webAddress, Opened: 3}}})
	next := start(f, "next")
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		to := NewTaker(&sayings{}, func(string) *hub.Hub { return next.hub }, next.listener, hclog.NewNullLogger())
		handlers := to.Handlers()
		first, err := msgpack.Marshal(recorded())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []handover.Message{{Kind: kindConnections, Body: first}, {Kind: kind, Body: body},
			{Kind: kindEnd}, {Kind: kindGo}, {Kind: kind, Body: body}} {
			if handle := handlers[m.Kind]; handle != nil {
				handle(m)
			}
		}
		to.End(next.hub)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if left := next.hub.Shutdown(ctx, 0, nil); left > 0 { // it waits for their last events
			t.Errorf("%d connections are left of the old host's", left)
		}
	})
}
