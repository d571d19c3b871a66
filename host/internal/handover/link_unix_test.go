//go:build unix

package handover

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/workerhost/workerhost/host/internal/goroutines"
)

// TestMain fails on a leaked goroutine, and is a process that inherits a link, if it is told to.
func TestMain(m *testing.M) {
	if os.Getenv("HANDOVER_CHILD") != "" {
		os.Exit(child())
	}
	os.Exit(goroutines.Main(m, "/handover."))
}

// both are the ends of a link in one process. At the end no descriptor may be left that was not there before.
func both(t *testing.T) (a, b *Link) {
	t.Helper()
	before := descriptors(t)
	a, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	if b, err = Open(theirs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors are open, and %d were before", after, before)
		}
	})
	return a, b
}

// descriptors counts those that are open: what a test asks for next gets the lowest that is free.
func descriptors(t *testing.T) (open int) {
	for fd := range 4096 {
		var st syscall.Stat_t
		if syscall.Fstat(fd, &st) == nil {
			open++
		}
	}
	return open
}

type note struct {
	Text   string `msgpack:"text"`
	Number int    `msgpack:"number"`
}

// temporary is a file with a text, to be told by.
func temporary(t *testing.T, text string) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, text)
	w.Close()
	return r
}

func TestMessagesArriveWholeAndInOrderWithTheirDescriptorsBothWays(t *testing.T) {
	a, b := both(t)
	const messages = 200
	files := func(i int) int { return []int{0, 1, 0, 3, 253, 0, 254, 7}[i%8] }
	var sending sync.WaitGroup
	for _, l := range []*Link{a, b} {
		sending.Go(func() {
			for i := range messages {
				var with []*os.File
				for j := range min(files(i), 10) {
					with = append(with, temporary(t, fmt.Sprintf("%d/%d", i, j)))
				}
				for len(with) < files(i) { // a batch is full before pipes are cheap
					dup, err := syscall.Dup(int(os.Stdin.Fd()))
					if err != nil {
						t.Error(err)
					}
					with = append(with, os.NewFile(uintptr(dup), ""))
				}
				text := strings.Repeat("x", i*i)
				if err := l.Send("note", note{text, i}, with...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, l := range []*Link{a, b} {
		sending.Go(func() {
			for i := range messages {
				m, err := l.Receive()
				if err != nil {
					t.Error(err)
					return
				}
				var n note
				if err := m.Decode(&n); err != nil || m.Kind != "note" || n.Number != i || len(n.Text) != i*i ||
					len(m.Files) != files(i) {
					t.Errorf("message %d: %v, %s, number %d, %d bytes, %d files", i, err, m.Kind, n.Number,
						len(n.Text), len(m.Files))
				}
				for j, f := range m.Files[:min(len(m.Files), 10)] {
					if text, err := io.ReadAll(f); string(text) != fmt.Sprintf("%d/%d", i, j) {
						t.Errorf("file %d of message %d has %q (%v)", j, i, text, err)
					}
				}
				m.Discard()
			}
		})
	}
	sending.Wait()
}

func TestALargeBodyArrives(t *testing.T) {
	a, b := both(t)
	text := strings.Repeat("0123456789", 1<<20)
	go a.Send("note", note{Text: text})
	m, err := b.Receive()
	var n note
	if err == nil {
		err = m.Decode(&n)
	}
	if err != nil || n.Text != text {
		t.Errorf("%d bytes of %d came: %v", len(n.Text), len(text), err)
	}
}

// What waits for a host that does not read keeps nobody waiting, and is written before the link is closed.
func TestSendWaitsForNobodyAndCloseWritesWhatWasSent(t *testing.T) {
	a, b := both(t)
	const messages = 100
	text := strings.Repeat("y", 64<<10)
	for i := range messages {
		if err := a.Send("note", note{text, i}); err != nil {
			t.Fatal(err)
		}
	}
	go a.Close()
	for i := range messages {
		if m, err := b.Receive(); err != nil || m.Kind != "note" {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if _, err := b.Receive(); err != io.EOF {
		t.Errorf("after the last one: %v", err)
	}
	a.Close()
	if err := a.Send("note", nil, temporary(t, "")); !errors.Is(err, ErrClosed) {
		t.Errorf("sent after the end: %v", err)
	}
	if _, err := a.Receive(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("received after the end: %v", err)
	}
}

// A host that dies takes the link with it, and descriptors on their way are closed.
func TestTheDeathOfTheOtherHostEndsTheLink(t *testing.T) {
	a, b := both(t)
	for range 3 {
		a.Send("note", note{}, temporary(t, "x"))
	}
	m, err := b.Receive()
	if err != nil {
		t.Fatal(err)
	}
	m.Discard()
	b.Send("note", note{Text: "nobody reads this"})
	b.conn.CloseRead()
	a.fail(errors.New("killed"))
	for err == nil {
		var m Message
		m, err = b.Receive()
		m.Discard()
	}
	if err != io.EOF {
		t.Errorf("%v", err)
	}
	if err := b.Send("note", nil, temporary(t, "")); err == nil {
		t.Error("it can send still")
	}
}

func TestRunHandlesEachKindAndSkipsWhatItDoesNotKnow(t *testing.T) {
	a, b := both(t)
	a.Send("of the future", map[string]any{"anything": true}, temporary(t, "x"))
	a.Send("note", note{Number: 7})
	a.Send("last", nil)
	got, wrong := 0, errors.New("wrong")
	err := b.Run(Handlers{
		"note": func(m Message) error {
			var n note
			err := m.Decode(&n)
			got = n.Number
			return err
		},
		"last": func(Message) error { return wrong },
	})
	if got != 7 || err != wrong {
		t.Errorf("%d, %v", got, err)
	}
	if err := a.Run(nil); err != nil {
		t.Errorf("the other end: %v", err)
	}
}

func TestOtherVersionsAreRefusedOnlyWhereTheyWouldNotBeUnderstood(t *testing.T) {
	for _, c := range []struct {
		theirs greeting
		error  string
	}{
		{greeting{Version, Oldest}, ""},
		{greeting{Version + 1, Version}, ""},
		{greeting{Version + 2, Version + 1}, "understands the hand-over from version"},
		{greeting{Oldest - 1, 0}, "without a version"},
	} {
		other, end, err := Pair()
		if err != nil {
			t.Fatal(err)
		}
		l := &Link{conn: rawEnd(t, end), wake: make(chan struct{}, 1), wrote: make(chan struct{})}
		go l.write()
		if err := l.Send(greetingKind, c.theirs); err != nil {
			t.Fatal(err)
		}
		if err := l.Send("note", note{}); err != nil {
			t.Fatal(err)
		}
		m, err := other.Receive()
		if c.error == "" && (err != nil || m.Kind != "note") ||
			c.error != "" && (err == nil || !strings.Contains(err.Error(), c.error)) {
			t.Errorf("%+v: %v", c.theirs, err)
		}
		other.Close()
		l.Close()
	}
}

func rawEnd(t *testing.T, f *os.File) *net.UnixConn {
	t.Helper()
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.UnixConn)
}

// The greeting of version 1, byte by byte: hosts of all versions read it.
func TestTheFirstGreetingIsUnderstoodForEver(t *testing.T) {
	const frozen = "00080000001200000000" + "6772656574696e67" + "82" + "a776657273696f6e01" + "a66f6c6465737401"
	frame, err := hex.DecodeString(frozen)
	if err != nil {
		t.Fatal(err)
	}
	m, err := (&reader{from: &scripted{rest: frame}}).next()
	var g greeting
	if err == nil {
		err = m.Decode(&g)
	}
	if err != nil || m.Kind != greetingKind || g != (greeting{1, 1}) {
		t.Errorf("%v: %s, %+v", err, m.Kind, g)
	}
	if out, err := encode(greetingKind, greeting{1, 1}, nil); err != nil || hex.EncodeToString(out.bytes) != frozen {
		t.Errorf("it is written as %x", out.bytes)
	}
}

// What a host of another version says more is skipped, and what it does not say stays as it was.
func TestDocumentsOfOtherVersionsAreRead(t *testing.T) {
	body, err := msgpack.Marshal(map[string]any{"text": "a", "colour": []any{"blue", map[string]any{"shade": 3}}})
	if err != nil {
		t.Fatal(err)
	}
	n := note{Number: 5}
	if err := (Message{Kind: "note", Body: body}).Decode(&n); err != nil || n != (note{"a", 5}) {
		t.Errorf("%+v, %v", n, err)
	}
	if err := (Message{Kind: "note", Body: []byte{0xc1}}).Decode(&n); err == nil ||
		!strings.Contains(err.Error(), `"note"`) {
		t.Errorf("%v", err)
	}
}

// A process that is started gets its end by the environment.
func TestAnotherProcessInheritsALink(t *testing.T) {
	a, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "HANDOVER_CHILD=1", Variable+"=3")
	cmd.ExtraFiles, cmd.Stderr = []*os.File{theirs}, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if err := a.Send("note", note{"to the child", 1}, temporary(t, "from the parent")); err != nil {
		t.Error(err)
	}
	m, err := a.Receive()
	var n note
	if err == nil {
		err = m.Decode(&n)
	}
	if err != nil || n.Text != "from the parent" {
		t.Errorf("the child says %q: %v", n.Text, err)
	}
	if _, err := a.Receive(); err != io.EOF {
		t.Errorf("after its end: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func child() int {
	l, err := Inherit()
	if err != nil || os.Getenv(Variable) != "" {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer l.Close()
	m, err := l.Receive()
	if err != nil || len(m.Files) != 1 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer m.Discard()
	text, _ := io.ReadAll(m.Files[0])
	if err := l.Send("note", note{Text: string(text)}); err != nil {
		return 1
	}
	return 0
}

func TestWhatIsNoLinkIsRefused(t *testing.T) {
	if l, err := Inherit(); l != nil || err != nil {
		t.Errorf("without the variable: %v, %v", l, err)
	}
	file := temporary(t, "")
	dup, err := syscall.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	for value, want := range map[string]string{"three": "no descriptor", fmt.Sprint(dup): "no link"} {
		t.Setenv(Variable, value)
		if _, err := Inherit(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

// scripted is a socket that has these bytes, in pieces of some lengths, and the descriptors in its first piece.
type scripted struct {
	rest   []byte
	rights []byte
	pieces []byte
	turn   int
}

func (s *scripted) ReadMsgUnix(b, oob []byte) (n, oobn, flags int, from *net.UnixAddr, err error) {
	if len(s.rest) == 0 {
		return 0, 0, 0, nil, io.EOF
	}
	most := len(s.rest)
	if len(s.pieces) > 0 {
		most = 1 + int(s.pieces[s.turn%len(s.pieces)])
		s.turn++
	}
	n = copy(b[:min(len(b), most)], s.rest)
	s.rest = s.rest[n:]
	oobn = copy(oob, s.rights)
	s.rights = nil
	return n, oobn, 0, nil, nil
}

// Whatever comes, the reader returns messages or an error, keeps no descriptor open, and asks for no memory that
// nothing came for.
func FuzzReader(f *testing.F) {
	out, err := encode("note", note{"text", 5}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(out.bytes, []byte{3}, false)
	out, err = encode("note", map[string]any{"lists": [][]string{{"a"}}, "bytes": []byte{1}, "other": []any{nil},
		"strings": map[string]string{"a": "b"}, "notes": []note{{"a", 1}}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(out.bytes, []byte{}, false)
	f.Add(append(head{4, 0, 1}.append(nil), "note\x00"...), []byte{}, true)
	f.Add(head{4, MaxBody, MaxFiles}.append(nil), []byte{0}, true)
	f.Add(bytes.Repeat([]byte{0xff}, headSize), []byte{200}, false)
	f.Fuzz(func(t *testing.T, b, pieces []byte, withFile bool) {
		s := &scripted{rest: b, pieces: pieces}
		var pipe [2]int
		if withFile {
			if err := syscall.Pipe(pipe[:]); err != nil {
				t.Fatal(err)
			}
			defer syscall.Close(pipe[1])
			s.rights = syscall.UnixRights(pipe[0])
		}
		r := &reader{from: s}
		for {
			left := len(s.rest)
			m, err := r.next()
			if err != nil {
				if r.ended != (left == 0) {
					t.Errorf("ended is %v with %d bytes left: %v", r.ended, left, err)
				}
				break
			}
			if len(m.Body)+len(m.Kind)+headSize > left {
				t.Errorf("%d bytes of %d", len(m.Body), left)
			}
			var v struct {
				note
				Lists   [][]string        `msgpack:"lists"`
				Bytes   []byte            `msgpack:"bytes"`
				Strings map[string]string `msgpack:"strings"`
				Notes   []note            `msgpack:"notes"`
			}
			_ = m.Decode(&v)
			m.Discard()
		}
		if s.rights != nil {
			syscall.Close(pipe[0]) // nobody took it
		}
		if withFile {
			if _, err := syscall.Write(pipe[1], []byte{0}); err != syscall.EPIPE {
				t.Errorf("the descriptor that came is open still: %v", err)
			}
		}
	})
}
