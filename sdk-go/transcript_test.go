package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/protocol/transcript"
)

// TestTheWorkerKeepsToTheTranscripts plays the host of protocol/vectors/transcripts, whose README.md has the program.
func TestTheWorkerKeepsToTheTranscripts(t *testing.T) {
	all, err := transcript.Load("../protocol/vectors/transcripts")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range all {
		if script.For != "host" {
			t.Run(script.Name, func(t *testing.T) { playHost(t, script.Lines) })
		}
	}
}

var errThrown = errors.New("thrown")

func transcriptHandler(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/hello":
		io.WriteString(w, "Hello, World!")
	case "/echo":
		if body, err := io.ReadAll(r.Body); err == nil {
			w.Write(body)
		}
	case "/send":
		Connections(r.Context()).SendToAll([]byte("sent"))
		io.WriteString(w, "asked")
	case "/ids":
		ids, err := Connections(r.Context()).IDs("")
		var refused *CallError
		if errors.As(err, &refused) {
			fmt.Fprintf(w, "code %d", refused.Code)
		} else if err == nil {
			io.WriteString(w, strings.Join(ids, " "))
		}
	case "/throw":
		Connections(r.Context()).SendToAll([]byte("lost"))
		panic(errThrown)
	case "/break":
		io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		panic(errThrown)
	}
}

var transcriptWorker = Worker{
	OnOpen:  func(context.Context, *Conn, *http.Request) error { return nil },
	OnClose: func(context.Context, *Conn, Closing) error { return nil },
	OnMessage: func(_ context.Context, c *Conn, m Message) error {
		if string(m.Data) == "throw" {
			c.Send([]byte("lost"))
			return errThrown
		}
		return c.Send(m.Data)
	},
}

func playHost(t *testing.T, lines []transcript.Line) {
	workerIn, hostOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	hostIn, workerOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer hostIn.Close()
	concurrency := 1
	if len(lines) > 0 && lines[0].Type == protocol.TypeReady {
		var ready protocol.Ready
		ready.Parse(lines[0].Frame()[4:])
		concurrency = ready.Concurrency
	}
	gone := make(chan error, 1)
	go func() {
		options := []Option{WithConcurrency(concurrency), transcriptWorker.option()}
		gone <- serve(workerIn, protocol.Pipe{File: workerOut}, http.HandlerFunc(transcriptHandler), options)
	}()
	defer hostOut.Close()
	conn := protocol.NewConn(hostIn, protocol.Pipe{File: hostOut})
	conn.Send(&protocol.Hello{Versions: []int{protocol.Version}, Pool: "test", Generation: 1})
	if _, err := conn.ReadMagic(); err != nil {
		t.Fatal(err)
	}
	next := func(wanted protocol.Type) []byte {
		for {
			payload, err := conn.Read()
			if err != nil {
				return nil
			}
			if got, _, _ := protocol.Head(payload); got == wanted ||
				got != protocol.TypeLog && got != protocol.TypePong {
				return payload
			}
		}
	}
	if len(lines) == 0 || lines[0].Type != protocol.TypeReady {
		next(protocol.TypeReady)
	}
	done := map[uint32]bool{} // by an act's flag, and not shown yet
	for _, l := range lines {
		switch {
		case l.Type == protocol.TypeDone && done[l.Stream()]:
		case l.Kind == '>' && l.Text == "end":
			conn.Flush()
			hostOut.Close()
		case l.Kind == '>' && l.Type != 0:
			conn.Send(rawFrame(l.Frame()))
		case l.Kind == '<' && l.Type != 0:
			payload := next(l.Type)
			if payload == nil {
				t.Fatalf("line %d: expected %s, got the end: %v", l.Number, l.Text, <-gone)
			}
			with, err := l.Check(payload)
			if err != nil {
				t.Fatal(err)
			}
			done[l.Stream()] = with
		case l.Kind == '<':
			if err := <-gone; (err == nil) != (l.Text == "exit 0") {
				t.Fatalf("line %d: expected %s, got %v", l.Number, l.Text, err)
			}
			gone <- nil
		}
	}
	hostOut.Close()
	if payload := next(0); payload != nil {
		t.Errorf("after the transcript's end comes %x", payload)
	}
	<-gone
}

type rawFrame []byte

func (rawFrame) Type() protocol.Type           { return protocol.TypeDone }
func (f rawFrame) AppendFrame(b []byte) []byte { return append(b, f...) }
