// processor.go: what a stack's processes cost, as far as Linux tells it in /proc.

package rehearse

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat: USER_HZ, which is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// process is what we use of a /proc/PID/stat line (proc(5)).
type process struct {
	parent      int
	own, reaped time.Duration // its time, and that of children which it has waited for
}

// ProcessorTime is what processes have used with all their descendants, in user mode and in the kernel together.
// Without the processes themselves it is that of their descendants alone. The error is about a process that there is
// not, or a system that does not tell.
func ProcessorTime(pids []int, themselves bool) (time.Duration, error) {
	all := map[int]process{}
	children := map[int][]int{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	if len(paths) == 0 {
		return 0, errors.New("processor times are known on Linux alone")
	}
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended since
		}
		pid, p, ok := parseStat(string(line))
		if !ok {
			return 0, fmt.Errorf("%s has another format than proc(5) says", path)
		}
		all[pid] = p
		children[p.parent] = append(children[p.parent], pid)
	}
	var used time.Duration
	seen := map[int]bool{}
	next := append([]int(nil), pids...)
	for _, pid := range pids {
		p, alive := all[pid]
		if !alive {
			return 0, fmt.Errorf("there is no process %d", pid)
		}
		if seen[pid] = !themselves; !themselves {
			used += p.reaped
			next = append(next, children[pid]...)
		}
	}
	for len(next) > 0 {
		pid := next[0]
		next = next[1:]
		if seen[pid] {
			continue
		}
		seen[pid] = true
		used += all[pid].own + all[pid].reaped
		next = append(next, children[pid]...)
	}
	return used, nil
}

// parseStat reads one line. The command's name in it may hold spaces and parentheses.
func parseStat(line string) (pid int, p process, ok bool) {
	opening, closing := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if opening < 0 || closing < opening {
		return 0, p, false
	}
	fields := strings.Fields(line[closing+1:]) // from field 3, the state
	const parent, utime = 4 - 3, 14 - 3
	if len(fields) < utime+4 {
		return 0, p, false
	}
	var numbers [6]int
	for i, text := range []string{strings.TrimSpace(line[:opening]), fields[parent], fields[utime], fields[utime+1],
		fields[utime+2], fields[utime+3]} {
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, p, false
		}
		numbers[i] = n
	}
	p = process{parent: numbers[1], own: time.Duration(numbers[2]+numbers[3]) * tick,
		reaped: time.Duration(numbers[4]+numbers[5]) * tick}
	return numbers[0], p, true
}
