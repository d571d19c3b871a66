//go:build unix

package sdk

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// asEither is the test binary as a program of one line for both: it tells when it serves, and when it stops.
func asEither(addr string) {
	var once sync.Once
	err := ListenAndServe(addr, http.HandlerFunc(hello), OnStop(func() { fmt.Println("stopped") }),
		Every(time.Millisecond, func(context.Context) { once.Do(func() { fmt.Println("serving") }) }))
	if err != nil {
		log.Fatal(err)
	}
}

func TestOneLineIsAWorkerUnderAHostAndAServerByItself(t *testing.T) {
	start := func(files ...*os.File) (*exec.Cmd, *bufio.Reader, string) {
		at := freeAddress(t)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SDK_TEST_WORKER=1", "SDK_TEST_LISTEN="+at)
		if cmd.ExtraFiles = files; files != nil {
			cmd.Env = append(cmd.Env, "WORKERHOST_FRAMES=3,4")
		} else if _, err := cmd.StdinPipe(); err != nil { // as some supervisors have it
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = cmd.Stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill() })
		for _, f := range files {
			f.Close()
		}
		lines := bufio.NewReader(out)
		if line, err := lines.ReadString('\n'); line != "serving\n" {
			rest, _ := io.ReadAll(lines)
			t.Fatalf("%v: %s%s", err, line, rest)
		}
		return cmd, lines, "http://" + at + "/"
	}
	ended := func(cmd *exec.Cmd, lines *bufio.Reader) {
		t.Helper()
		if rest, err := io.ReadAll(lines); string(rest) != "stopped\n" {
			t.Errorf("at its end it said %q, %v", rest, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}

	cmd, lines, at := start()
	if got, err := ask(at, nil); got != "Hello, World!" || err != nil {
		t.Errorf("by itself: %q, %v", got, err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	ended(cmd, lines)

	workerIn, hostOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	hostIn, workerOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := joinHost(t, hostIn, protocol.Pipe{File: hostOut}, protocol.Hello{})
	defer h.in.Close()
	defer h.out.Close()
	go h.read()
	cmd, lines, at = start(workerIn, workerOut)
	h.awaitReady()
	if m := h.open(protocol.Request{}).whole(); string(m.Body) != "Hello, World!" {
		t.Errorf("under a host: %+v", m)
	}
	if got, err := ask(at, nil); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("under a host it listens as well: %q, %v", got, err)
	}
	h.send(&protocol.Drain{})
	ended(cmd, lines)
}
