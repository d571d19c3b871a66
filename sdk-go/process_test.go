//go:build unix

package sdk

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

var early = os.Stdout // what a package may have kept before Serve

// asWorker is the test binary as a worker: it prints in every way that it can.
func asWorker() {
	if addr := os.Getenv("SDK_TEST_LISTEN"); addr != "" {
		asEither(addr)
		return
	}
	var options []Option
	if os.Getenv("SDK_TEST_ALONE") != "" {
		options = append(options, WithConcurrency(1))
	}
	err := Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			hangHere(w)
		case "/quiet":
			return
		}
		fmt.Println("said by fmt")
		fmt.Fprintln(early, "said by a kept stdout")
		log.Print("said by log")
		child := exec.Command("sh", "-c",
			"echo said by a child; env | grep WORKERHOST; cat; ls /proc/self/fd 2>/dev/null | tr '\\n' ' '")
		child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
		if err := child.Run(); err != nil {
			log.Print(err)
		}
		io.WriteString(w, "done")
	}), options...)
	if err != nil {
		log.Fatal(err)
	}
}

func TestWhatAProgramPrintsNeverReachesTheWire(t *testing.T) {
	for _, standard := range []bool{false, true} {
		workerIn, hostOut, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		hostIn, workerOut, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		var printed strings.Builder
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SDK_TEST_WORKER=1")
		cmd.Stderr = &printed
		if standard {
			cmd.Stdin, cmd.Stdout = workerIn, workerOut
		} else {
			cmd.Env = append(cmd.Env, "WORKERHOST_FRAMES=3,4")
			cmd.Stdout = &printed
			cmd.ExtraFiles = []*os.File{workerIn, workerOut}
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		workerIn.Close()
		workerOut.Close()
		h := joinHost(t, hostIn, protocol.Pipe{File: hostOut}, protocol.Hello{})
		go h.read()
		h.awaitReady()
		if m := h.open(protocol.Request{}).whole(); string(m.Body) != "done" {
			t.Errorf("RESPONSE is %+v", m)
		}
		h.send(&protocol.Drain{})
		if err := cmd.Wait(); err != nil {
			t.Errorf("the worker did not exit with 0: %v", err)
		}
		for _, who := range []string{"fmt", "a kept stdout", "log", "a child"} {
			if !strings.Contains(printed.String(), "said by "+who+"\n") {
				t.Errorf("the log misses what %s said (standard streams: %v): %s", who, standard, printed.String())
			}
		}
		if strings.Contains(printed.String(), "WORKERHOST") {
			t.Errorf("a child got the variable: %s", printed.String())
		}
		h.in.Close()
		h.out.Close()
	}
}

func TestRunByHandItSaysHowToStart(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SDK_TEST_WORKER=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "host serve .") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDescriptorsThatAreNotOpenAreNamed(t *testing.T) {
	for value, want := range map[string]string{"3;4": `"3;4"`, "98,99": "descriptor 98"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SDK_TEST_WORKER=1", "WORKERHOST_FRAMES="+value)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v: %s", value, err, out)
		}
	}
}
