package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestWorkersGetNoFileThatTheHostInherited(t *testing.T) {
	dir := shortDir(t)
	secret, err := os.Create(filepath.Join(dir, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	s := serveIn(t, dir, secret, secret, secret, secret) // a worker has frames of its own at 3 and 4
	holds := func(pid int) bool {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files of process %d: %v", pid, err)
		}
		for _, file := range files {
			if target, _ := os.Readlink(file); target == secret.Name() {
				return true
			}
		}
		return false
	}
	if !holds(s.command.Process.Pid) {
		t.Fatal("the host didn't inherit it")
	}
	for _, w := range s.status().Pools[0].Workers {
		if holds(w.PID) {
			t.Errorf("worker %d has %s", w.Slot, secret.Name())
		}
	}
	s.run("stop")
}
