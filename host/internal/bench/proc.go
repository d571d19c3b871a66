// proc.go reads from Linux's /proc what a server's processes cost: CPU time and memory.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat: USER_HZ, which is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// stat is what we use of a /proc/PID/stat line (proc(5)).
type stat struct {
	pid, parent int
	own         time.Duration // utime + stime
	reaped      time.Duration // cutime + cstime: what its children used that ended and were waited for
}

// parseStat reads one /proc/PID/stat line. The command name in it may hold spaces and parentheses.
func parseStat(line []byte) (stat, error) {
	opening, closing := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if opening < 0 || closing < opening {
		return stat{}, fmt.Errorf("not a /proc stat line: %q", line)
	}
	fields := strings.Fields(string(line[closing+1:])) // from field 3, the state
	const parent, utime = 4 - 3, 14 - 3
	if len(fields) < utime+4 {
		return stat{}, fmt.Errorf("/proc stat line of %d fields: %q", len(fields)+2, line)
	}
	var s stat
	var err error
	number := func(text string) int {
		n, e := strconv.Atoi(text)
		if e != nil {
			err = fmt.Errorf("/proc stat line: %w: %q", e, line)
		}
		return n
	}
	s.pid = number(strings.TrimSpace(string(line[:opening])))
	s.parent = number(fields[parent])
	s.own = time.Duration(number(fields[utime])+number(fields[utime+1])) * tick
	s.reaped = time.Duration(number(fields[utime+2])+number(fields[utime+3])) * tick
	return s, err
}

// processTable is every process of the machine at one moment.
type processTable map[int]stat

func readProcesses() (processTable, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(paths) == 0 {
		return nil, errors.New("no processes in /proc: this program needs Linux")
	}
	table := processTable{}
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it ended since
		}
		s, err := parseStat(line)
		if err != nil {
			return nil, err
		}
		table[s.pid] = s
	}
	return table, nil
}

// descendants returns the children of root, theirs, and so on, without root itself.
func (t processTable) descendants(root int) []int {
	children := map[int][]int{}
	for pid, s := range t {
		children[s.parent] = append(children[s.parent], pid)
	}
	found := []int{}
	for next := children[root]; len(next) > 0; {
		pid := next[0]
		found = append(found, pid)
		next = append(next[1:], children[pid]...)
	}
	return found
}

// cpu is CPU time used, in user mode and in the kernel together.
type cpu struct{ host, workers time.Duration }

// family names the processes of one server. host is the one that has the clients. Where workers is 0, its descendants
// are the workers; otherwise host and workers are each the root of a tree, as with nginx and php-fpm.
type family struct{ host, workers int }

// members returns the process ids of the host and of the workers.
func (f family) members(t processTable) (host, workers []int) {
	host = []int{f.host}
	if f.workers == 0 {
		return host, t.descendants(f.host)
	}
	return append(host, t.descendants(f.host)...), append([]int{f.workers}, t.descendants(f.workers)...)
}

// used sums the CPU time of the family since its processes began. A worker that ended since an earlier call is still
// in the sum, through the parent that reaped it.
func (f family) used(t processTable) (cpu, error) {
	var c cpu
	host, workers := f.members(t)
	for _, pid := range []int{f.host, f.workers} {
		if _, alive := t[pid]; pid != 0 && !alive {
			return c, fmt.Errorf("process %d is gone", pid)
		}
	}
	for _, pid := range host {
		c.host += t[pid].own
		if f.workers == 0 {
			c.workers += t[pid].reaped
		} else {
			c.host += t[pid].reaped
		}
	}
	for _, pid := range workers {
		c.workers += t[pid].own + t[pid].reaped
	}
	return c, nil
}

// memory is resident memory in bytes.
type memory struct {
	host, workers int64
	// whole is set where a process's share of common pages could not be read, so that they count in each process
	// (RSS).
	whole bool
}

func (m memory) total() int64 { return m.host + m.workers }

// memory sums the proportional set sizes of the family, or their resident set sizes where those may not be read.
func (f family) memory(t processTable) memory {
	var m memory
	sum := func(pids []int) (bytes int64) {
		for _, pid := range pids {
			n, whole := residentMemory(pid)
			bytes += n
			m.whole = m.whole || whole
		}
		return bytes
	}
	host, workers := f.members(t)
	m.host = sum(host)
	m.workers = sum(workers)
	return m
}

// residentMemory returns the PSS of a process in bytes, or its RSS and true. A process that has ended has none.
func residentMemory(pid int) (bytes int64, whole bool) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err == nil {
		if kib, ok := parsePss(rollup); ok {
			return kib * 1024, false
		}
	}
	statm, statmErr := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(statm))
	if statmErr != nil || len(fields) < 2 {
		return 0, false
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	// A process that ended in between (ESRCH) says nothing about what may be read.
	return pages * int64(os.Getpagesize()),
		err == nil || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)
}

// parsePss finds the Pss line of a smaps_rollup file, in KiB.
func parsePss(rollup []byte) (kib int64, ok bool) {
	for line := range bytes.Lines(rollup) {
		if rest, found := bytes.CutPrefix(line, []byte("Pss:")); found {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(string(rest)), "kB")),
				10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
