package sdk

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// FuzzAnswersOfTheHost holds whatever a host may answer to errors, not panics.
func FuzzAnswersOfTheHost(f *testing.F) {
	connection := &protocol.Connection{ID: "a", Protocol: "tcp", UID: "u", Groups: []string{"g"},
		Session: []protocol.Entry{{Key: "k"}}, Listener: ":1"}
	f.Add([]byte(connection.Value()))
	for _, v := range []any{nil, 7, true, []string{"a"}, []any{1, []any{"k", []any{}}}} {
		b, _ := protocol.NewValue(v)
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		frame := (&protocol.Result{Stream: 2, Value: value}).AppendFrame(nil)
		var m protocol.Result
		if m.Parse(frame[frameLength:]) != nil {
			return
		}
		if c, err := protocol.ParseConnection(m.Value); err == nil {
			readAll(newConn(nil, nil, &c, 1).Session())
		}
		if _, entries, err := protocol.ParseSession(m.Value); err == nil {
			readAll(newConn(nil, nil, &protocol.Connection{Session: entries}, 1).Session())
		}
		var (
			n      int
			names  []string
			online bool
		)
		_, _, _ = m.Value.DecodeInto(&n), m.Value.DecodeInto(&names), m.Value.DecodeInto(&online)
	})
}

func readAll(s *Session) {
	for _, key := range s.Keys() {
		s.Value(key)
		s.String(key)
		s.Int(key)
	}
}

// FuzzServerSentEvents holds that no text of a field becomes another field, or another event.
func FuzzServerSentEvents(f *testing.F) {
	f.Add("tick", "7", "a\nb\r\nc\rid: 9\n\n")
	f.Fuzz(func(t *testing.T, name, id, data string) {
		text := string(Event{Name: name, ID: id, Data: data}.Bytes())
		events := strings.Split(newlines.Replace(text), "\n\n")
		if len(events) != 2 || events[1] != "" {
			t.Fatalf("%q is %d events", text, len(events)-1)
		}
		var got []string
		for line := range strings.SplitSeq(events[0], "\n") {
			field, value, _ := strings.Cut(line, ": ")
			if field == "data" {
				got = append(got, value)
			} else if field != "event" && field != "id" {
				t.Fatalf("%q has a field %q", text, field)
			}
		}
		if strings.Join(got, "\n") != newlines.Replace(data) {
			t.Fatalf("%q became %q", data, got)
		}
	})
}

// BenchmarkEcho measures an event whose handler sends one message, over two pipes, the fake host's work included.
func BenchmarkEcho(b *testing.B) {
	workerIn, hostOut, _ := os.Pipe()
	hostIn, workerOut, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	h := joinHost(b, hostIn, protocol.Pipe{File: hostOut}, protocol.Hello{})
	w := Worker{OnMessage: func(_ context.Context, c *Conn, m Message) error { return c.Send(m.Data) }}
	go func() { h.gone <- serve(workerIn, protocol.Pipe{File: workerOut}, nil, []Option{w.option()}) }()
	if _, err := h.conn.ReadMagic(); err != nil {
		b.Fatal(err)
	}
	if _, err := h.conn.Read(); err != nil { // READY
		b.Fatal(err)
	}
	m := text(strings.Repeat("x", 64))
	m.Connection.Groups = []string{"lobby"}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		m.Stream = uint32(2*n + 1)
		h.send(m)
		for range 2 { // SEND, DONE
			if _, err := h.conn.Read(); err != nil {
				b.Fatal(err)
			}
		}
	}
	h.out.Close()
	<-h.gone
	h.in.Close()
}
