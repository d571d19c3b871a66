package spool

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestASpoolCleansUpAfterAHostThatWasKilled(t *testing.T) {
	dir := t.TempDir()
	dead := New(dir, 1<<20, nil)
	left, err := dead.Folder()
	if err != nil {
		t.Fatal(err)
	}
	live := New(dir, 1<<20, nil)
	if _, err := live.Folder(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Fatal("a living host's folder was removed")
	}
	dead.lock.Close() // as its death would
	third := New(dir, 1<<20, nil)
	if _, err := third.Folder(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a dead host left is still there")
	}
	os.RemoveAll(third.folder) // as a cleaner of temporary files might
	if f, err := third.Create(); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	live.Close()
	third.Close()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Error(left)
	}
}

// A disk that is nearly full takes nothing, with one log line however much comes, and takes it once there is room
// again.
func TestADiskThatIsNearlyFullTakesNothingAndStaysSo(t *testing.T) {
	for _, c := range []struct {
		total, floor int64
	}{{10 << 30, 512 << 20}, {100 << 30, 1 << 30}} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			free := c.floor - 1
			s := New(t.TempDir(), 1<<30, hclog.New(&hclog.LoggerOptions{Output: &log}))
			s.space = func(string) (total, left int64, ok bool) { return c.total, free, true }
			for range 3 {
				if err := s.Reserve(1 << 20); err != ErrQuota {
					t.Fatalf("%d of %d bytes free: %v", free, c.total, err)
				}
			}
			if n := strings.Count(log.String(), "nearly full"); n != 1 {
				t.Errorf("%d log lines", n)
			}
			if used := s.Used(); used != 0 {
				t.Errorf("%d bytes are counted for bodies that were refused", used)
			}
			free = c.floor
			time.Sleep(lookEvery)
			if err := s.Reserve(1 << 20); err != nil {
				t.Errorf("with room again: %v", err)
			}
		})
	}
}
