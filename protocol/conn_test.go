package protocol

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// someFrames is a stream of all valid vectors in turn, and their payloads.
func someFrames(t testing.TB) (stream []byte, payloads [][]byte) {
	for _, v := range readVectors(t, "valid.json") {
		frame := v.bytes(t)
		stream = append(stream, frame...)
		payloads = append(payloads, frame[lengthSize:])
	}
	return stream, payloads
}

func expectFrames(t *testing.T, c *Conn, payloads [][]byte) {
	t.Helper()
	for i, want := range payloads {
		if got, err := c.Read(); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("frame %d: got %x and error %v, want %x", i, got, err, want)
		}
	}
	if _, err := c.Read(); err != io.EOF {
		t.Fatalf("at the end: got %v, want io.EOF", err)
	}
}

func TestFramesSurviveAnyWayOfReading(t *testing.T) {
	stream, payloads := someFrames(t)
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"by halves":               iotest.HalfReader(bytes.NewReader(stream)),
		"end with the last bytes": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) { expectFrames(t, NewConn(r, io.Discard), payloads) })
	}
}

func TestSplitAtEveryByte(t *testing.T) {
	first := (&Request{Stream: 1, Flags: FlagEnd, Method: "GET", Target: "/",
		Headers: []string{"A", "b"}}).AppendFrame(nil)
	second := (&Done{Stream: 1}).AppendFrame(nil)
	both := append(append([]byte{}, first...), second...)
	for i := range both {
		expectFrames(t, NewConn(io.MultiReader(bytes.NewReader(both[:i]), bytes.NewReader(both[i:])), io.Discard),
			[][]byte{first[lengthSize:], second[lengthSize:]})
		payload, used, err := Split(both[:i], MaxFrame)
		if whole := i >= len(first); err != nil || whole != (used > 0) ||
			whole && !bytes.Equal(payload, first[lengthSize:]) {
			t.Fatalf("with %d bytes: payload %x, used %d, error %v", i, payload, used, err)
		}
	}
}

func TestFramesOfEverySizeAroundTheBuffers(t *testing.T) {
	for _, n := range []int{0, 1, firstBuffer - 20, firstBuffer - 12, firstBuffer, firstBuffer + 1, MaxData} {
		var stream []byte
		var payloads [][]byte
		for _, size := range []int{n, 3, n, n, 0, MaxData, n} {
			frame := (&Data{Stream: 1, Bytes: bytes.Repeat([]byte{byte(size)}, size)}).AppendFrame(nil)
			stream = append(stream, frame...)
			payloads = append(payloads, frame[lengthSize:])
		}
		expectFrames(t, NewConn(bytes.NewReader(stream), io.Discard), payloads)
	}
}

func TestAStreamThatBreaksOffIsNoCleanEnd(t *testing.T) {
	frame := (&Ping{Token: 1}).AppendFrame(nil)
	for i := 1; i < len(frame); i++ {
		if _, err := NewConn(bytes.NewReader(frame[:i]), io.Discard).Read(); err != io.ErrUnexpectedEOF {
			t.Errorf("after %d bytes: got %v, want io.ErrUnexpectedEOF", i, err)
		}
	}
	broken := errors.New("broken")
	if _, err := NewConn(iotest.ErrReader(broken), io.Discard).Read(); err != broken {
		t.Errorf("got %v, want the reader's error", err)
	}
	if _, err := NewConn(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(frame))),
		io.Discard).Read(); err != iotest.ErrTimeout {
		t.Errorf("got %v, want the reader's error", err)
	}
}

func TestTheFrameLimitIsExact(t *testing.T) {
	frame := (&Failed{Message: strings.Repeat("m", 1000)}).AppendFrame(nil)
	for limit, ok := range map[int]bool{len(frame) - lengthSize - 1: false, len(frame) - lengthSize: true,
		len(frame): true} {
		c := NewConn(bytes.NewReader(frame), io.Discard)
		c.SetLimit(limit)
		if _, err := c.Read(); (err == nil) != ok {
			t.Errorf("a payload of %d with a limit of %d: error %v", len(frame)-lengthSize, limit, err)
		}
	}
}

func TestALengthAloneGrowsNoBuffer(t *testing.T) {
	c := NewConn(bytes.NewReader([]byte{1, 0, 0, 0, 0x93}), io.Discard)
	if _, err := c.Read(); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	if len(c.buf) > firstBuffer {
		t.Errorf("16 MiB were announced, 1 byte came, and the buffer has %d bytes", len(c.buf))
	}
}

func TestALargeFramesBufferIsGivenBack(t *testing.T) {
	large := (&Failed{Message: strings.Repeat("m", 2<<20)}).AppendFrame(nil)
	c := NewConn(io.MultiReader(bytes.NewReader(large), bytes.NewReader((&Ping{}).AppendFrame(nil))), io.Discard)
	for range 2 {
		if _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.buf) > keepBuffer {
		t.Errorf("%d bytes of buffer are kept", len(c.buf))
	}
}

func TestLinkErrorShowsTextAsText(t *testing.T) {
	for _, c := range []struct{ bytes, want string }{
		{"PHP Warning:  oops\n", `"PHP Warning:  oops\n"`},
		{"\ufeff<?php", `"\ufeff<?php"`},
		{"schön, aber kein Rahmen", "schön, aber kein Rahmen"},
		{"a text of some length with a cut rune \xc3", "a text of some length with a cut rune \ufffd"},
		{"\xdd\xff\xff\xff\xff", "bytes dd ff ff ff ff"},
		{"\x00\x00\x00\x00", "bytes 00 00 00 00"},
		{"\x1b\x01\x02\x03", "bytes 1b 01 02 03"},
	} {
		err := &LinkError{Expected: "a", Got: "b", Bytes: []byte(c.bytes)}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %s, want it to hold %s", err, c.want)
		}
	}
	_, _, err := Split([]byte("Hello"+strings.Repeat("x", 1<<20)), MaxFrame)
	if len(err.Error()) > 500 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// link is two ends over real pipes, as a host and a worker have them.
func link(t testing.TB) (host, worker *Conn) {
	r1, w1, err1 := os.Pipe()
	r2, w2, err2 := os.Pipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	t.Cleanup(func() {
		for _, f := range []*os.File{r1, w1, r2, w2} {
			f.Close()
		}
	})
	return NewConn(r2, Pipe{w1}), NewConn(r1, Pipe{w2})
}

func TestHandshake(t *testing.T) {
	host, worker := link(t)
	if err := host.Send(&Hello{Versions: []int{1, 2}, Pool: "web", Generation: 3, MaxFrame: 200000}); err != nil {
		t.Fatal(err)
	}
	hello, err := worker.Accept()
	if err != nil || hello.Pool != "web" || hello.Generation != 3 || hello.Window != DefaultWindow ||
		worker.limit != 200000 {
		t.Fatalf("HELLO came as %+v, limit %d, error %v", hello, worker.limit, err)
	}
	_ = worker.Send(&Ready{Version: Version, PID: 1, SDK: "s"})
	if stray, err := host.ReadMagic(); len(stray) > 0 || err != nil {
		t.Fatalf("before the magic: %q, error %v", stray, err)
	}
	payload, err := host.Read()
	var ready Ready
	if err == nil {
		err = ready.Parse(payload)
	}
	if err != nil || ready.Concurrency != 1 || ready.Window != DefaultWindow || CheckReady(&ready) != nil {
		t.Fatalf("READY came as %+v, error %v", ready, err)
	}
	if err := CheckReady(&Ready{Version: 2}); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("READY with another version: error %v", err)
	}
}

func TestAWorkerWithoutACommonVersionFailsAndSaysWhich(t *testing.T) {
	host, worker := link(t)
	_ = host.Send(&Hello{Versions: []int{7, 8}, Pool: "web"})
	_, err := worker.Accept()
	if err == nil || !strings.Contains(err.Error(), "[7 8]") || !strings.Contains(err.Error(), "[1]") {
		t.Fatalf("Accept: error %v, want one that names both lists", err)
	}
	if _, err := host.ReadMagic(); err != nil {
		t.Fatal(err)
	}
	payload, rerr := host.Read()
	var failed Failed
	if rerr == nil {
		rerr = failed.Parse(payload)
	}
	if rerr != nil || failed.Message != err.Error() {
		t.Errorf("the host reads %+v, error %v, want FAILED with %q", failed, rerr, err)
	}
}

func TestAcceptRefusesWhatIsNotHello(t *testing.T) {
	for name, c := range map[string]struct {
		stream []byte
		want   string
	}{
		"another message": {(&Drain{}).AppendFrame(nil), "HELLO"},
		"text":            {[]byte("GET / HTTP/1.1\r\n"), "GET / HTTP/1.1"},
		"the end":         {nil, "EOF"},
	} {
		_, err := NewConn(bytes.NewReader(c.stream), io.Discard).Accept()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that holds %q", name, err, c.want)
		}
	}
}
