package hub

import (
	"context"
	"slices"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/trace"
	"github.com/workerhost/workerhost/protocol"
)

// collector keeps spans.
type collector []trace.Record

func (c *collector) Export(_ context.Context, batch []*trace.Record) (int, error) {
	for _, r := range batch {
		kept := *r
		kept.Attributes = slices.Clone(r.Attributes)
		*c = append(*c, kept)
	}
	return 0, nil
}

func (c *collector) Close() {}

func TestEventsWithoutARequestLinkToTheirOpen(t *testing.T) {
	var came collector
	s := newScene(t)
	terms := *s.terms
	terms.Tracer = trace.New(trace.Settings{Share: 1}, &came, new(trace.Tally), hclog.NewNullLogger())
	s.terms = &terms
	c := s.open(&fakePeer{})
	c.Deliver([]byte("a"), false)
	c.Closed(protocol.CloseNormal, "", true)
	s.hub.Datagram(s.terms, Card{Protocol: protocol.ProtoUDP, Remote: "192.0.2.1:53"}, []byte("ping"), func([]byte) {},
		func(*protocol.Failure) {})
	terms.Tracer.Close()
	spans := map[string]trace.Record{}
	for _, r := range came {
		spans[r.Name] = r
	}
	open := spans["OPEN of websocket"]
	for _, name := range []string{"MESSAGE of websocket", "CLOSE of websocket"} {
		if r := spans[name]; !open.Known() || r.Link != open.Context || r.Parent != (trace.SpanID{}) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := spans["MESSAGE of udp"]; !r.Known() || r.Link.Known() {
		t.Errorf("the datagram's: %+v", r)
	}
}

func TestEventsAtTheNextHostLinkToTheirOpen(t *testing.T) {
	var here, there collector
	traced := func(to *collector) (*scene, *trace.Tracer) {
		s := newScene(t)
		tracer := trace.New(trace.Settings{Share: 1}, to, new(trace.Tally), hclog.NewNullLogger())
		s.terms = &Terms{Backend: s.pool, Tracer: tracer}
		return s, tracer
	}
	before, tracer := traced(&here)
	c := before.open(&fakePeer{})
	d, err := before.hub.Freeze()
	if err != nil || !d.Settle(context.Background(), c) {
		t.Fatal(err)
	}
	next, second := traced(&there)
	a := next.hub.Arrive()
	gone, err := a.Add(c.Record(), &fakePeer{}, next.terms, true, func(Admission) {})
	if err != nil {
		t.Fatal(err)
	}
	a.Land()
	gone.Deliver([]byte("a"), false)
	d.Thaw()
	tracer.Close()
	second.Close()
	if len(here) != 1 || len(there) != 1 || !here[0].Known() || there[0].Link != here[0].Context {
		t.Errorf("%+v\n%+v", here, there)
	}
}
