//go:build unix

package fastcgi

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestASlowRequestIsOneEntryWithItsScriptAndTrace: also where entries come without a pause, and one comes in pieces.
func TestASlowRequestIsOneEntryWithItsScriptAndTrace(t *testing.T) {
	file, err := makePipe(filepath.Join(t.TempDir(), "slow.log"))
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 10)
	s := &slowLog{file: file, log: slog.New(slog.NewTextHandler(lineWriter{told}, nil)),
		named: map[string]slowRequest{}}
	var reading sync.WaitGroup
	reading.Go(func() { s.read(context.Background()) })
	line := func(pid string) string {
		return "[pool workerhost] child " + pid + `, script '/srv/a b.php' (request: "GET /a?token=x") ` +
			"executing too slow (1.234567 sec), logging"
	}
	if !s.takes(line("41")) || !s.takes(line("43")) || s.takes("[pool workerhost] child 1 exited on signal 9") {
		t.Error("another line is that of a slow request")
	}
	entry := func(pid string) string {
		return "\n[28-Nov-2026 05:12:47]  [pool workerhost] pid " + pid + "\nscript_filename = /srv/a b.php\n" +
			"[0x00007f16f6a12120] sleep() /srv/lib.php:3\n[0x00007f16f6a120a0] [INCLUDE_OR_EVAL]() /srv/a b.php:7\n"
	}
	file.WriteString(entry("41") + entry("42") + entry("43")[:50])
	file.WriteString(entry("43")[50:])
	for _, pid := range []string{"41", "42", "43"} {
		of := `of="GET /a" running=1.23s`
		if pid == "42" {
			of = `of="" running=""`
		}
		want := "child=" + pid + " " + of + ` script="/srv/a b.php" ` +
			`backtrace="sleep() /srv/lib.php:3\n[INCLUDE_OR_EVAL]() /srv/a b.php:7"`
		if got := <-told; !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	file.WriteString("\n[no entry\n")
	file.Close()
	reading.Wait()
	if len(told) > 0 {
		t.Errorf("%q was told, too", <-told)
	}
}

// lineWriter passes on what is written to it.
type lineWriter struct{ to chan string }

func (w lineWriter) Write(p []byte) (int, error) {
	w.to <- string(bytes.TrimSpace(p))
	return len(p), nil
}
