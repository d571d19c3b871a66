//go:build unix

package sdk

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// askProfile asks as hosts do.
func (h *fakeHost) askProfile(kind string, lasts time.Duration) *call {
	m := protocol.Request{Method: "POST", Scheme: protocol.SchemeHost, Length: -1,
		Target: protocol.ProfileTarget(kind, lasts)}
	if kind != protocol.ProfileCPU {
		m.Flags, m.Length = protocol.FlagEnd, 0
	}
	return h.open(m)
}

// profile reads the answer, which is no error, and gives what is in it.
func (c *call) profile() []byte {
	c.h.t.Helper()
	head := expect[*protocol.Response](c)
	body := bytes.NewBuffer(head.Body)
	for end := head.Flags&protocol.FlagEnd != 0; !end; {
		m := expect[*protocol.Data](c)
		body.Write(m.Bytes)
		end = m.Flags&protocol.FlagEnd != 0
	}
	unpacked, err := gzip.NewReader(body)
	if head.Status != 200 || err != nil {
		c.h.t.Fatalf("%d %.200q: %v", head.Status, head.Body, err)
	}
	profile, err := io.ReadAll(unpacked)
	if err != nil {
		c.h.t.Fatal(err)
	}
	return profile
}

func TestProfilesAreTheSDKsToAnswer(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("the program got %s", r.URL) })
	if !bytes.Contains(h.askProfile(protocol.ProfileGoroutine, 0).profile(), []byte("sdk-go.(*stream).run")) {
		t.Error("it does not have the goroutine that took it")
	}
	if !bytes.Contains(h.askProfile(protocol.ProfileHeap, 0).profile(), []byte("inuse_space")) {
		t.Error("it is not the heap's")
	}
	if !bytes.Contains(h.askProfile(protocol.ProfileCPU, 10*time.Millisecond).profile(), []byte("nanoseconds")) {
		t.Error("it is not the processors'")
	}
	early := h.askProfile(protocol.ProfileCPU, 5*time.Minute)
	h.send(&protocol.Data{Stream: early.id, Flags: protocol.FlagEnd})
	early.profile()
	for _, target := range []string{"/profile/wine?ms=0", "/profile/cpu", "/profile/cpu?ms=300001", "/else"} {
		m := h.open(protocol.Request{Method: "POST", Scheme: protocol.SchemeHost, Target: target,
			Flags: protocol.FlagEnd}).whole()
		if m.Status != http.StatusNotFound || len(m.Body) == 0 {
			t.Errorf("%s: %d %s", target, m.Status, m.Body)
		}
	}
}

func TestAProfileThatIsGivenUpEndsAtOnceAndAnotherOneMayBegin(t *testing.T) {
	h := newHost(t, func(http.ResponseWriter, *http.Request) {})
	giveUp := func(c *call) {
		h.send(&protocol.Reset{Stream: c.id, Code: protocol.ResetCancelled})
		for {
			switch m := c.take().(type) {
			case *protocol.Done:
				return
			case *protocol.Response: // it was refused before
				if m.Flags&protocol.FlagDone != 0 {
					return
				}
			}
		}
	}
	var long *call
	var busy *protocol.Response
	for busy == nil || busy.Status == 200 { // the second one may begin before the first, which is refused then
		if long != nil {
			giveUp(long)
		}
		long = h.askProfile(protocol.ProfileCPU, 5*time.Minute)
		busy = h.askProfile(protocol.ProfileCPU, 0).whole()
	}
	if busy.Status != http.StatusServiceUnavailable || !strings.Contains(string(busy.Body), "takes one already") {
		t.Errorf("%d %s", busy.Status, busy.Body)
	}
	giveUp(long)
	h.askProfile(protocol.ProfileCPU, 0).profile()
}

func TestAProfileTakesNobodysRoom(t *testing.T) {
	workerIn, hostOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	hostIn, workerOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SDK_TEST_WORKER=1", "SDK_TEST_ALONE=1", "WORKERHOST_FRAMES=3,4")
	cmd.ExtraFiles = []*os.File{workerIn, workerOut}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	workerIn.Close()
	workerOut.Close()
	h := joinHost(t, hostIn, protocol.Pipe{File: hostOut}, protocol.Hello{})
	defer hostIn.Close()
	defer hostOut.Close()
	go h.read()
	h.awaitReady()
	if !h.ready.Has(protocol.FeatureProfile) || h.ready.Concurrency != 1 {
		t.Fatalf("READY is %+v", h.ready)
	}
	long := h.askProfile(protocol.ProfileCPU, 5*time.Minute)
	if m := h.open(protocol.Request{Target: "/quiet"}).whole(); m.Status != 200 {
		t.Errorf("a request beside a profile: %d", m.Status)
	}
	h.send(&protocol.Data{Stream: long.id, Flags: protocol.FlagEnd})
	long.profile()
	expect[*protocol.Response](h.open(protocol.Request{Target: "/hang"}))
	h.askProfile(protocol.ProfileGoroutine, 0).profile()
	cmd.Process.Kill()
	cmd.Wait()
}

// The input of a worker may end while it drains: the profile is of the time that there was.
func TestAWorkerThatLeavesEndsItsProfile(t *testing.T) {
	h := startHost(t, protocol.Hello{}, http.NotFoundHandler())
	h.awaitReady()
	long := h.askProfile(protocol.ProfileCPU, 5*time.Minute)
	h.send(&protocol.Drain{})
	h.conn.Flush()
	h.out.Close()
	long.profile()
	if err := <-h.gone; err != nil {
		t.Error(err)
	}
	h.in.Close()
}
