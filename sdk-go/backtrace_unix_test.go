//go:build unix

package sdk

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// hangHere is a handler that has answered, and never comes back.
func hangHere(w http.ResponseWriter) {
	w.WriteHeader(http.StatusOK)
	http.NewResponseController(w).Flush()
	select {}
}

func TestSIGUSR2IsAnsweredWithTheHandlersThatRun(t *testing.T) {
	workerIn, hostOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	hostIn, workerOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SDK_TEST_WORKER=1", "WORKERHOST_FRAMES=3,4")
	cmd.ExtraFiles = []*os.File{workerIn, workerOut}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	workerIn.Close()
	workerOut.Close()
	defer cmd.Wait()
	defer cmd.Process.Kill()
	h := joinHost(t, hostIn, protocol.Pipe{File: hostOut}, protocol.Hello{})
	defer hostIn.Close()
	defer hostOut.Close()
	go h.read()
	h.awaitReady()
	if !h.ready.Has("backtrace") {
		t.Fatalf("READY offers %q", h.ready.Features)
	}
	where := func() string {
		if err := cmd.Process.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		context, err := h.expectLog("backtrace").Context.Decode()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(context.(map[string]any)["backtrace"])
	}
	if text := where(); text != "no handler runs" {
		t.Errorf("while it is idle: %s", text)
	}
	for range 2 {
		expect[*protocol.Response](h.open(protocol.Request{Target: "/hang"}))
	}
	if text := where(); strings.Count(text, "sdk-go.hangHere(") != 2 || strings.Count(text, "\ngoroutine ") > 1 {
		t.Errorf("while two hang: %s", text)
	}
}
