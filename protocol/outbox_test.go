package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// slowWriter is a pipe whose reader we are: TryWrite takes what room there is, Write waits until open is closed.
type slowWriter struct {
	room int
	open chan struct{}
	err  error

	mu  sync.Mutex
	got []byte
}

func (w *slowWriter) TryWrite(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(w.room, len(p))
	w.room -= n
	w.got = append(w.got, p[:n]...)
	return n, nil
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.open
	if w.err != nil {
		return 0, w.err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, p...)
	return len(p), nil
}

// told lists the frames that were written, each as its type and stream.
func (w *slowWriter) told(t *testing.T) (all []string) {
	t.Helper()
	rest := w.got
	for len(rest) > 0 {
		payload, used, err := Split(rest, MaxFrame)
		if err != nil || used == 0 {
			t.Fatalf("after %v: no frame at %.40x: %v", all, rest, err)
		}
		m, err := parse(payload)
		if err != nil {
			t.Fatal(err)
		}
		_, stream, _ := Head(payload)
		all = append(all, fmt.Sprint(m.Type(), " ", stream))
		rest = rest[used:]
	}
	return all
}

func TestSendNeverWaitsForAPeerThatDoesNotRead(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := NewConn(r, Pipe{w})
	chunk := make([]byte, MaxData)
	for range 160 { // 10 MiB, and a pipe holds 64 KiB
		if err := c.Send(&Data{Stream: 1, Bytes: chunk}); err != nil {
			t.Fatal(err)
		}
	}
	r.Close()
	if err := c.Flush(); err == nil {
		t.Error("Flush: no error, although the reader has gone")
	}
	first := c.Send(&Drain{})
	if first == nil || !errors.Is(c.Send(&Ping{}), first) {
		t.Errorf("Send gave %v: the pipe's error should stick", first)
	}
	w.Close()
}

func TestControlFramesOvertakeQueuedData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &slowWriter{open: make(chan struct{})}
		o := newOutbox(w)
		for _, m := range []Message{&Data{Stream: 1}, &Data{Stream: 1}, &Response{Stream: 2, Status: 200},
			&Request{Stream: 5}, &Reset{Stream: 1}, &Window{Stream: 3, Bytes: 1},
			&Inform{Stream: 4, Status: 103}, &Ping{}, &Done{Stream: 2}, &Drain{}} {
			if err := o.send(m); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the flusher holds the first frame before the next one is sent
		}
		close(w.open)
		if err := o.wait(); err != nil {
			t.Fatal(err)
		}
		want := []string{"DATA 1", "REQUEST 5", "WINDOW 3", "PING 0", "DRAIN 0", "DATA 1", "RESPONSE 2", "RESET 1",
			"INFORM 4", "DONE 2"}
		if got := w.told(t); !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

func TestACallKeepsItsPlaceBehindActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &slowWriter{open: make(chan struct{})}
		c := NewConn(nil, w)
		c.Send(&Data{Stream: 1, Bytes: []byte("x")})
		c.Send(&Join{Flags: FlagNow, Stream: 1, Groups: []string{"g"}})
		c.Send(&Call{Stream: 2, Method: "count"})
		c.Send(&Leave{Stream: 0, Connection: "c", Groups: []string{"g"}})
		c.Send(&Swap{Stream: 4, Connection: "c"})
		close(w.open)
		c.Flush()
		if got, want := strings.Join(w.told(t), ", "), "DATA 1, JOIN 1, CALL 2, LEAVE 0, SWAP 4"; got != want {
			t.Errorf("%s went out, want %s", got, want)
		}
	})
}

func TestAHalfWrittenFrameEndsBeforeAnyOther(t *testing.T) {
	whole := (&Data{Stream: 1, Bytes: []byte("some bytes")}).AppendFrame(nil)
	for room := range len(whole) + 1 {
		synctest.Test(t, func(t *testing.T) {
			w := &slowWriter{room: room, open: make(chan struct{})}
			o := newOutbox(w)
			_ = o.send(&Data{Stream: 1, Bytes: []byte("some bytes")})
			_ = o.send(&Ping{})
			close(w.open)
			if err := o.wait(); err != nil {
				t.Fatal(err)
			}
			if got, want := w.told(t), []string{"DATA 1", "PING 0"}; !slices.Equal(got, want) {
				t.Errorf("with room for %d bytes: got %v, want %v", room, got, want)
			}
		})
	}
}

func TestFramesOfAStreamKeepTheirOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			w := &slowWriter{room: random.IntN(300), open: make(chan struct{})}
			o := newOutbox(w)
			var order [4][]byte // of each stream, the payloads as they were sent
			for range 40 {
				s := random.IntN(len(order))
				m := &Data{Stream: uint32(s + 1), Bytes: fmt.Append(nil, "piece ", len(order[s]))}
				order[s] = append(order[s], m.AppendFrame(nil)...)
				_ = o.send(m)
				if random.IntN(5) == 0 {
					_ = o.send(&Ping{})
				}
				if random.IntN(20) == 0 {
					synctest.Wait()
				}
			}
			close(w.open)
			_ = o.wait()
			var got [4][]byte
			for rest := w.got; len(rest) > 0; {
				payload, used, err := Split(rest, MaxFrame)
				if err != nil || used == 0 {
					t.Fatalf("no frame at %.40x: %v", rest, err)
				}
				if _, stream, _ := Head(payload); stream > 0 {
					got[stream-1] = append(got[stream-1], rest[:used]...)
				}
				rest = rest[used:]
			}
			for s := range order {
				if !bytes.Equal(got[s], order[s]) {
					t.Errorf("stream %d came in another order", s+1)
				}
			}
		})
	}
}

func TestABrokenPipesErrorSticks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &slowWriter{open: make(chan struct{}), err: io.ErrClosedPipe}
		o := newOutbox(w)
		if err := o.send(&Ping{}); err != nil {
			t.Fatalf("the first send: %v before anything was written", err)
		}
		_ = o.send(&Data{Stream: 1})
		close(w.open)
		if err := o.wait(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("wait: got %v, want the pipe's error", err)
		}
		if err := o.send(&Ping{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("send: got %v, want the pipe's error", err)
		}
		if o.rest != nil || o.control != nil || o.data != nil {
			t.Error("frames are kept that can never be written")
		}
	})
}

func TestAPeerThatAsksButNeverReadsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &slowWriter{open: make(chan struct{})}
		o := newOutbox(w)
		var err error
		sent := 0
		for ; err == nil && sent < 1<<20; sent++ {
			err = o.send(&Pong{Token: 1 << 60})
		}
		if _, ok := err.(*LinkError); !ok || !strings.Contains(err.Error(), "a peer that reads") {
			t.Fatalf("after %d unread PONGs: error %v", sent, err)
		}
		if cap(o.control) > 0 {
			t.Error("the queue is kept")
		}
		close(w.open)
		if after := o.wait(); after != err {
			t.Errorf("wait: got %v, want %v: a later write must not hide it", after, err)
		}
	})
}

func TestAPeerThatReadsMayAskForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &slowWriter{open: make(chan struct{})}
		close(w.open)
		o := newOutbox(w)
		for range 4 {
			for range maxAnswers / 32 {
				if err := o.send(&Pong{Token: 1 << 60}); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
	})
}

func TestSentTellsWhatThePipeHasTakenFromWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ping := len((&Ping{}).AppendFrame(nil))
		w := &slowWriter{room: ping + 3, open: make(chan struct{})}
		c := NewConn(nil, w)
		for i, want := range []int{ping, ping + 3, ping + 3} {
			if err := c.Send(&Ping{}); err != nil {
				t.Fatal(err)
			}
			if accepted, written := c.Sent(); accepted != int64((i+1)*ping) || written != int64(want) {
				t.Errorf("after %d frames: %d accepted, %d written, want %d written", i+1, accepted, written, want)
			}
		}
		close(w.open)
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		if accepted, written := c.Sent(); accepted != int64(3*ping) || written != accepted {
			t.Errorf("after Flush: %d accepted, %d written", accepted, written)
		}
	})
}
