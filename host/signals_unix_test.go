//go:build unix

package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestSignalsReloadAndStop(t *testing.T) {
	s := serveIn(t, shortDir(t))
	for i, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP} { // stdin is no terminal here
		s.command.Process.Signal(sig)
		if done := s.await("reload completed"); done["generation"] != float64(i+2) {
			t.Fatalf("%v: %v", sig, done)
		}
	}
	s.command.Process.Signal(syscall.SIGTERM)
	s.await("stopped")
	if status := s.ended(); status != 0 {
		t.Errorf("the host exited with %d", status)
	}
}

func TestInterruptedReloadGoesOnWithoutItsCommand(t *testing.T) {
	dir := shortDir(t)
	s := serveIn(t, dir)
	release := filepath.Join(dir, "release")
	held := make(chan error, 1)
	go func() {
		answer, err := http.Get("http://" + s.address + "/hold" + release)
		if err == nil {
			_, err = io.ReadAll(answer.Body)
			answer.Body.Close()
		}
		held <- err
	}()
	for inflight := 0; inflight == 0; {
		for _, w := range s.status().Pools[0].Workers {
			inflight += w.Inflight
		}
	}

	c := program("reload", "--control", s.control)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	c.Stderr = &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it has begun
		t.Fatal(err)
	}
	c.Process.Signal(os.Interrupt)
	c.Wait()
	if status := c.ProcessState.ExitCode(); status != 130 || !strings.Contains(said.String(), "the reload goes on") {
		t.Errorf("status %d, %q", status, said.String())
	}

	if err := os.WriteFile(release, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.await("reload completed")
	if err := <-held; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
}

func TestHostOutlivesTheReaderOfItsLog(t *testing.T) {
	s := serveIn(t, shortDir(t))
	s.pipe.Close()
	if out, status := s.run("reload"); status != 0 {
		t.Errorf("host reload: status %d\n%s", status, out)
	}
	if out, status := s.run("stop"); status != 0 {
		t.Errorf("host stop: status %d\n%s", status, out)
	}
	s.command.Wait()
	if status := s.command.ProcessState.ExitCode(); status != 0 {
		t.Errorf("the host ended with %s", s.command.ProcessState)
	}
}
