// Tests of the log as a file that others rotate and read.

package accesslog

import (
	"bufio"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestTheAccessLogIsReopenedWhereItsPathIs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	a, err := Open(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	say := func(s string) {
		line := []byte(s + "\n")
		a.add(&line)
	}
	say("before")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	a.Reopen()
	for { // until the new file is there
		if _, err := os.Stat(path); err == nil {
			break
		}
	}
	say("after")
	a.Close()
	for name, want := range map[string]string{path + ".1": "before\n", path: "after\n"} {
		if got, err := os.ReadFile(name); string(got) != want || err != nil {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "no", "such.log"), nil, nil); err == nil ||
		!strings.Contains(err.Error(), "create its folder") {
		t.Errorf("a folder that is missing: %v", err)
	}
}

func TestEachWriteToTheAccessLogIsWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	file, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a := &Log{file: file, to: bufio.NewWriterSize(file, 64<<10)}
	writes, seen := 0, 0
	for range 400 {
		line := fmt.Appendf(nil, "%0999d\n", 0)
		a.take(&line)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) != seen {
			writes++
		}
		if seen = len(text); seen%1000 != 0 {
			t.Fatalf("write %d ends in the middle of a line: the file has %d bytes, of lines of 1000", writes, seen)
		}
	}
	if writes < 4 {
		t.Errorf("%d lines came in %d writes", 400, writes)
	}
}

func TestNoSecretOfATargetIsInALine(t *testing.T) {
	r := httptest.NewRequest("GET", "/reset?token=s3cret&page=2", nil)
	referer := func(name string) string {
		if name == "Referer" {
			return "https://a.test/?code=s3cret"
		}
		return ""
	}
	e := &Entry{Reason: "the target /x?sid=s3cret is too long"}
	for what, line := range map[string][]byte{
		"text": e.appendText(nil, r, referer, true), "JSON": e.appendJSON(nil, r, referer, true),
	} {
		if text := string(line); strings.Contains(text, "s3cret") || strings.Count(text, "=REDACTED") != 3 ||
			!strings.Contains(text, "&page=2") {
			t.Errorf("%s: %s", what, text)
		}
	}
}

func TestAStuckAccessLogHoldsNoRequestUp(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var lost atomic.Uint64
	lost.Store(7) // of a log before
	a := newLog("text", &lost, nil, w)
	for range 3 * waitingLines {
		line := fmt.Appendf(nil, "%0200d\n", 0)
		a.add(&line)
	}
	if n := lost.Load() - 7; n < waitingLines || n > 2*waitingLines {
		t.Errorf("%d lines of %d count as lost", n, 3*waitingLines)
	}
	if err := a.Close(); err == nil {
		t.Error("Close wrote to nobody")
	}
	r.Close()
	<-a.done
	w.Close()
	if n := lost.Load() - 7; n < 2*waitingLines {
		t.Errorf("%d lines count as lost, and all but what a pipe holds are", n)
	}
}
