// Command gotest reads the output of `go test -json` and shows a person what matters: one line a package, the whole
// output of what failed, what was skipped and why, and which tests were slow. The counts go to the file named by
// -counts as "passed failed skipped".
//
// A top-level test counts once, whatever subtests it has. A package that fails with no failing test of its own (it did
// not compile, or its process died) counts as one failure.
//
// The failed tests that deserve a second look go to the file named by -again, a line "package test" each: there is none
// of a package in which anything else went wrong, nor one with a data race or a panic, which no quieter moment excuses.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string // set in place of Package while building
	Test       string
	Output     string
	Elapsed    float64
}

// tally follows the tests of one run. It is used by one goroutine.
type tally struct {
	passed, failed, skipped int
	output                  map[string][]string // by package and test; dropped when that test ends well
	failures                map[string]int      // failed tests by package
	again                   []string            // "package test" of failures that may be the machine's
	skips                   []string
	slow                    []event // top-level tests that took slowTest or longer
}

// slowTest is how long a test may take, in seconds, before it is named: somebody waits for it at every change.
const slowTest = 5

func main() {
	counts := flag.String("counts", "", "write \"passed failed skipped\" to `FILE`")
	again := flag.String("again", "", "write the failed tests that deserve a second look to `FILE`")
	flag.Parse()
	t := tally{output: map[string][]string{}, failures: map[string]int{}}
	t.read(os.Stdin, os.Stdout)
	for _, skip := range t.skips {
		fmt.Println("skipped", skip)
	}
	slices.SortFunc(t.slow, func(a, b event) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	for _, e := range t.slow[:min(len(t.slow), 25)] {
		fmt.Printf("slow  %5.1fs  %s %s\n", e.Elapsed, e.Package, e.Test)
	}
	write(*counts, fmt.Sprintf("%d %d %d\n", t.passed, t.failed, t.skipped))
	write(*again, strings.Join(t.again, ""))
}

// write writes text to the file named, if one is.
func write(name, text string) {
	if name == "" {
		return
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

// read consumes r to its end. A line that is no event (go prints some errors as plain text) is passed through.
func (t *tally) read(r io.Reader, w io.Writer) {
	lines := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				t.take(e, w)
			} else {
				fmt.Fprintf(w, "%s", line)
			}
		}
		if err != nil {
			return
		}
	}
}

func (t *tally) take(e event, w io.Writer) {
	top, _, isSub := strings.Cut(e.Test, "/")
	key := e.Package + " " + top
	switch {
	case e.Action == "build-output":
		fmt.Fprint(w, e.Output)
	case e.Action == "output":
		if e.Test != "" || !verdict(e.Output) {
			t.output[key] = append(t.output[key], e.Output)
		}
	case isSub:
	case e.Test == "":
		t.endPackage(e, w)
	case e.Action == "pass":
		t.passed++
		t.time(e)
		delete(t.output, key)
	case e.Action == "skip":
		t.skipped++
		t.skips = append(t.skips, key+": "+reason(t.output[key]))
		delete(t.output, key)
	case e.Action == "fail":
		t.failed++
		t.failures[e.Package]++
		t.time(e)
		output := strings.Join(t.output[key], "")
		fmt.Fprint(w, output)
		delete(t.output, key)
		if !strings.Contains(output, "DATA RACE") && !strings.Contains(output, "panic: ") {
			t.again = append(t.again, e.Package+" "+top+"\n")
		}
	}
}

// time notes a test that was slow.
func (t *tally) time(e event) {
	if e.Elapsed >= slowTest {
		t.slow = append(t.slow, e)
	}
}

func (t *tally) endPackage(e event, w io.Writer) {
	switch e.Action {
	case "pass":
		fmt.Fprintf(w, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
	case "fail":
		if t.failures[e.Package] == 0 {
			t.failed++
		}
		// What no test owns: a panic's trace, a report of leaked goroutines, a test that never ended.
		for key, output := range t.output {
			if text := strings.Join(output, ""); strings.HasPrefix(key, e.Package+" ") && text != "exit status 1\n" {
				fmt.Fprint(w, text)
				t.again = slices.DeleteFunc(t.again, func(s string) bool { return strings.HasPrefix(s, e.Package+" ") })
			}
		}
		fmt.Fprintf(w, "FAIL  %s  %.1fs\n", e.Package, e.Elapsed)
	case "skip", "start", "build-fail":
		return
	}
	for key := range t.output {
		if strings.HasPrefix(key, e.Package+" ") {
			delete(t.output, key)
		}
	}
}

// verdict reports whether line is go's own closing word on a package, which endPackage says in its own form.
func verdict(line string) bool {
	return line == "FAIL\n" || line == "PASS\n" || strings.HasPrefix(line, "FAIL\t") ||
		strings.HasPrefix(line, "ok  \t")
}

// reason is what a skipped test said: its last line of output that is not the runner's own.
func reason(output []string) string {
	said := "no reason given"
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			said = line
		}
	}
	return said
}
