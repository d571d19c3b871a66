//go:build linux

// The footprint of a host: what it would leak if it leaked.

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// footprint is what a host holds at a moment.
type footprint struct {
	goroutines, descriptors int
	deleted                 int // open files that have no name any more
	processes, zombies      int // its descendants
	heap, Resident          int64
}

func (f footprint) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors (%d of deleted files), %d processes, %d zombies, heap %.1f "+
		"MiB, resident %.1f MiB",
		f.goroutines, f.descriptors, f.deleted, f.processes, f.zombies, float64(f.heap)/(1<<20),
		float64(f.Resident)/(1<<20))
}

// TakeFootprint asks the admin listener, and the kernel, what the host holds now.
func TakeFootprint(t *testing.T, h *Host, admin string) (f footprint) {
	t.Helper()
	_, page := Asked(admin, "/metrics")
	metric := func(name string) float64 {
		found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(page)
		if found == nil {
			t.Fatalf("/metrics has no %s:\n%s", name, page)
		}
		v, err := strconv.ParseFloat(found[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	f.goroutines, f.descriptors = int(metric("go_goroutines")), int(metric("process_open_fds"))
	f.heap, f.Resident = int64(metric("go_memstats_heap_inuse_bytes")), int64(metric("process_resident_memory_bytes"))
	open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.Cmd.Process.Pid))
	for _, fd := range open {
		if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", h.Cmd.Process.Pid, fd.Name())); strings.HasSuffix(to,
			"(deleted)") {
			f.deleted++
		}
	}
	for pid := range h.Family() {
		f.processes++
		if !Alive(pid) {
			f.zombies++
		}
	}
	return f
}

// Family is the pids of the host's descendants now.
func (h *Host) Family() map[int]bool {
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		_, after, _ := strings.Cut(string(b), ") ")
		if fields := strings.Fields(after); len(fields) > 1 {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	all := map[int]bool{}
	for pid := range parents {
		for p := parents[pid]; p > 1; p = parents[p] {
			if p == h.Cmd.Process.Pid {
				all[pid] = true
				break
			}
		}
	}
	return all
}

// ProcessesIn are those that work in a folder or below it.
func ProcessesIn(dir string) (pids []int) {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, dir+"/") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// slack is by how much a host may differ that leaks nothing: connections of the one who looks, and memory that no
// collection has come to yet.
const (
	slackCount  = 3
	slackMemory = 16 << 20
)

// AwaitFootprint fails unless the host comes back to what it was before. Meanwhile stir gives it something to do, so
// that it collects its garbage.
func AwaitFootprint(t *testing.T, h *Host, admin string, before footprint, stir func()) (now footprint) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; stir() {
		now = TakeFootprint(t, h, admin)
		leaks := now.goroutines > before.goroutines+slackCount || now.descriptors > before.descriptors+slackCount ||
			now.deleted > before.deleted ||
			now.processes > before.processes || now.zombies > 0 || now.heap > before.heap+slackMemory
		if !leaks {
			return now
		}
		if time.Now().After(deadline) {
			_, stacks := Asked(admin, "/debug/pprof/goroutine?debug=1")
			t.Errorf("the host does not come back to what it was: %s\nbefore: %s\n%s", now, before, stacks)
			return now
		}
	}
}
