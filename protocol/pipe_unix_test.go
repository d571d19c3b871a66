//go:build unix

package protocol

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// TestPipeReadsWhatIsThereAndSaysHowItEnds: what comes later is waited for, until a deadline, the writer's end, or our
// own.
func TestPipeReadsWhatIsThereAndSaysHowItEnds(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	pipe, b := Pipe{out}, make([]byte, 8)
	go in.WriteString("abc") // Read waits for it
	if n, err := pipe.Read(b); n == 0 || err != nil || string(b[:n]) != "abc"[:n] {
		t.Errorf("read %q, %v", b[:n], err)
	}
	out.SetReadDeadline(time.Now())
	if _, err := pipe.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("at a deadline: %v", err)
	}
	out.SetReadDeadline(time.Time{})
	in.Close()
	if _, err := pipe.Read(b); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	out.Close()
	if _, err := pipe.Read(b); !errors.Is(err, os.ErrClosed) {
		t.Errorf("once it is closed: %v", err)
	}
}

func TestAPipeIsSilentUntilSomethingCame(t *testing.T) {
	for name, end := range map[string]func(in *os.File){
		"bytes": func(in *os.File) { in.WriteString("x") }, "its end": func(in *os.File) { in.Close() },
	} {
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		defer in.Close()
		pipe := Pipe{out}
		if !pipe.Silent() {
			t.Error("one is not silent to which nothing was written")
		}
		if end(in); pipe.Silent() {
			t.Errorf("it is silent after %s", name)
		}
		if out.Close(); pipe.Silent() {
			t.Error("it is silent though it is closed")
		}
	}
}
