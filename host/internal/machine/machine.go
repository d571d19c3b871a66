// Package machine says how much a machine gives: files, processes, memory, disk. It is for host doctor, which tells,
// and for the limits of a host. Its functions are safe for concurrent use.
package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
)

const (
	filesPerWorker = 8  // its pipes, twice during a reload
	filesOfTheHost = 64 // sockets, logs, a body or two on disk
)

// What is reckoned with where a machine's room is told.
const (
	MemoryOfOne      = 24 << 20 // bytes of a worker that has done little yet
	ProcessesForMany = 64       // processes and threads beside the workers: the host's own, and what they start
)

// MoreFiles is how to get more of them.
const MoreFiles = "LimitNOFILE=65536 in a unit of systemd, `ulimit -n 65536` in a shell"

// FilesFor is how many files have to be open before the first client comes.
func FilesFor(workers int) int { return workers*filesPerWorker + filesOfTheHost }

// ClientRoom is for how many clients the limit on open files leaves room, beside so many workers. Some of it is for
// what clients ask for: files, bodies on disk.
func ClientRoom(workers int) (clients int, known bool) {
	files, ok := FileLimit()
	if !ok {
		return 0, false
	}
	left := int64(min(files, 1<<30)) - int64(FilesFor(workers))
	return int(max(1, left*7/8)), true
}

// MostWorkers is how many there may be.
func MostWorkers(pools []*config.Pool) (count int) {
	for _, p := range pools {
		_, most := p.Span()
		count += most
	}
	return count
}

// leastAddressSpace is what Go's runtime and its threads map, hardly any of which is used. With less the host dies at
// some time or other, and shows nothing but its stacks.
const leastAddressSpace = 2 << 30

// CheckAddressSpace says if the host can't run under its limit on mapped memory.
func CheckAddressSpace() error {
	limit, limited := addressSpace()
	if !limited || limit >= leastAddressSpace {
		return nil
	}
	return fmt.Errorf("%s of memory may be mapped (ulimit -v, LimitAS= of systemd), and the host needs %s, hardly "+
		"any of which it uses: raise that (ulimit -v unlimited), and bound what is used with MemoryMax= of "+
		"systemd or a container's limit, or that of workers with rlimits = { address_space = \"SIZE\" }",
		cli.HumanBytes(int64(limit)), cli.HumanBytes(leastAddressSpace))
}

// Memory is what the machine has, or the control group if that is less.
func Memory() (total, available int64, ok bool) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, 0, false
	}
	for line := range strings.Lines(string(data)) {
		var n int64
		if _, err := fmt.Sscanf(line, "MemTotal: %d kB", &n); err == nil {
			total = n << 10
		}
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &n); err == nil {
			available = n << 10
		}
	}
	if limit, limited := groupValue("memory.max"); limited && limit < total {
		total = limit
		if used, known := groupValue("memory.current"); known {
			available = min(available, max(0, limit-used))
		}
	}
	return total, available, total > 0
}

// groupValue reads a number of this process's control group (version 2).
func groupValue(name string) (int64, bool) {
	group, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	path, ok := strings.CutPrefix(strings.TrimSpace(string(group)), "0::")
	if !ok {
		return 0, false
	}
	data, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", path, name))
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64) // "max" is no number
	return n, err == nil
}
