//go:build unix

package main

import (
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
