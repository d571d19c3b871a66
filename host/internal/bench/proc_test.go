package main

import (
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestAStatLineIsReadWhateverTheCommandIsCalled(t *testing.T) {
	for name, command := range map[string]string{
		"plain":       "(nginx)",
		"spaces":      "(php-fpm: pool www)",
		"parentheses": "(a) S 1 (b) )",
	} {
		line := "4242 " + command + " S 17 4242 4242 0 -1 4194560 2251 93 0 0 150 25 7 3 20 0 1 0 8812 9719808 1012\n"
		got, err := parseStat([]byte(line))
		want := stat{pid: 4242, parent: 17, own: 1750 * time.Millisecond, reaped: 100 * time.Millisecond}
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func TestABrokenStatLineIsAnError(t *testing.T) {
	for _, line := range []string{"", "12 sleep S 1", "12 (sleep) S 1 2 3",
		"x (sleep) S 1 1 1 0 -1 0 0 0 0 0 1 1 1 1 20 0", ") ("} {
		if got, err := parseStat([]byte(line)); err == nil {
			t.Errorf("%q: got %+v and no error", line, got)
		}
	}
}

// A master (10) with workers 11 and 12, where 12 has a child 13, beside a process that is none of theirs.
func masterAndWorkers() processTable {
	second := time.Second
	return processTable{
		1:  {pid: 1, own: 500 * second},
		10: {pid: 10, parent: 1, own: 4 * second, reaped: 2 * second},
		11: {pid: 11, parent: 10, own: 10 * second},
		12: {pid: 12, parent: 10, own: 20 * second, reaped: 3 * second},
		13: {pid: 13, parent: 12, own: 40 * second},
		20: {pid: 20, parent: 1, own: 7 * second, reaped: 1 * second},
		21: {pid: 21, parent: 20, own: 5 * second},
	}
}

func TestDescendantsAreFoundAtEveryDepth(t *testing.T) {
	got := masterAndWorkers().descendants(10)
	slices.Sort(got)
	if !slices.Equal(got, []int{11, 12, 13}) {
		t.Fatal(got)
	}
}

func TestCPUTimeIsSplitBetweenFrontAndWorkers(t *testing.T) {
	for name, c := range map[string]struct {
		family family
		want   cpu
	}{
		"one tree":  {family{host: 10}, cpu{host: 4 * time.Second, workers: 75 * time.Second}},
		"two trees": {family{host: 20, workers: 10}, cpu{host: 13 * time.Second, workers: 79 * time.Second}},
	} {
		got, err := c.family.used(masterAndWorkers())
		if err != nil || got != c.want {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, c.want)
		}
	}
}

func TestAWorkerThatEndsTakesNoCPUTimeWithIt(t *testing.T) {
	before := masterAndWorkers()
	after := masterAndWorkers()
	delete(after, 11)
	master := after[10]
	master.reaped += before[11].own
	after[10] = master
	was, _ := family{host: 10}.used(before)
	is, _ := family{host: 10}.used(after)
	if was != is {
		t.Fatalf("before its end %v, after %v", was, is)
	}
}

func TestAServerThatDiedIsAnError(t *testing.T) {
	for _, f := range []family{{host: 99}, {host: 10, workers: 99}} {
		if _, err := f.used(masterAndWorkers()); err == nil {
			t.Errorf("%+v: no error", f)
		}
	}
}

func TestPssIsReadFromARollup(t *testing.T) {
	rollup := "55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss:               12544 kB\nPss:                4087 " +
		"kB\nPss_Dirty:          2000 kB\n"
	if kib, ok := parsePss([]byte(rollup)); !ok || kib != 4087 {
		t.Fatal(kib, ok)
	}
	if _, ok := parsePss([]byte("Rss: 1 kB\n")); ok {
		t.Fatal("found a Pss where there is none")
	}
}

func TestThisProcessIsInTheTable(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	table, err := readProcesses()
	if err != nil {
		t.Fatal(err)
	}
	if got := table[os.Getpid()]; got.parent != os.Getppid() {
		t.Fatalf("got %+v, want parent %d", got, os.Getppid())
	}
	if m := (family{host: os.Getpid()}).memory(table); m.host < 1<<20 {
		t.Fatalf("memory %+v", m)
	}
}
