// machine.go: how much a machine gives, for host doctor and for the limits of a host.

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/config"
)

const (
	filesPerWorker   = 8  // its pipes, twice during a reload
	filesOfTheHost   = 64 // sockets, logs, a body or two on disk
	memoryOfOne      = 24 << 20
	processesForMany = 64
)

// moreFiles is how to get more of them.
const moreFiles = "LimitNOFILE=65536 in a unit of systemd, `ulimit -n 65536` in a shell"

// filesFor is how many files have to be open before the first client comes.
func filesFor(workers int) int { return workers*filesPerWorker + filesOfTheHost }

// clientRoom is for how many clients the limit on open files leaves room, beside so many workers. Some of it is for
// what clients ask for: files, bodies on disk.
func clientRoom(workers int) (clients int, known bool) {
	files, ok := fileLimit()
	if !ok {
		return 0, false
	}
	left := int64(min(files, 1<<30)) - int64(filesFor(workers))
	return int(max(1, left*7/8)), true
}

// mostWorkers is how many there may be.
func mostWorkers(pools []*config.Pool) (count int) {
	for _, p := range pools {
		_, most := p.Span()
		count += most
	}
	return count
}

// warnOfFiles says if clients will be turned away before max_connections.
func (h *host) warnOfFiles(c *config.Config) {
	if room, ok := clientRoom(mostWorkers(c.Pools)); ok && room < c.HTTP.MaxConnections {
		files, _ := fileLimit()
		h.log.Warn("the limit on open files leaves room for fewer clients than max_connections; those beyond are answered 503: raise it ("+moreFiles+"), or lower max_connections",
			"open_files", files, "clients", room, "max_connections", c.HTTP.MaxConnections)
	}
}

// examineLimits looks at what the user may open and start.
func (d *diagnosis) examineLimits(workers, connections int) {
	if files, ok := fileLimit(); ok {
		const remedy = "raise it: " + moreFiles
		switch room, _ := clientRoom(workers); {
		case files < uint64(filesFor(workers)):
			d.wrong(aboutMachine, remedy, "%d open files are allowed, and %s need %d before the first client comes", files, counted(workers, "worker"), filesFor(workers))
		case room < connections:
			d.advise(aboutMachine, remedy+"; or lower max_connections", "%d open files are allowed, which leaves room for %d clients, and max_connections is %d", files, room, connections)
		default:
			d.good(aboutMachine, "%d open files are allowed", files)
		}
	}
	if err := checkAddressSpace(); err != nil {
		d.wrong(aboutMachine, "", "%v", err)
	}
	processes, source, ok := processLimit()
	if !ok {
		return
	}
	if least := uint64(2*workers + processesForMany); processes < least {
		d.advise(aboutMachine, "raise it: TasksMax= or LimitNPROC= in a unit of systemd, --pids-limit of a container, `ulimit -u` in a shell",
			"%d processes and threads are allowed (%s); %s, their replacements and the host itself may need %d", processes, source, counted(workers, "worker"), least)
	} else {
		d.good(aboutMachine, "%d processes are allowed", processes)
	}
}

// leastAddressSpace is what Go's runtime and its threads map, hardly any of which is used. With less the host dies at
// some time or other, and shows nothing but its stacks.
const leastAddressSpace = 2 << 30

// checkAddressSpace says if the host can't run under its limit on mapped memory.
func checkAddressSpace() error {
	limit, limited := addressSpace()
	if !limited || limit >= leastAddressSpace {
		return nil
	}
	return fmt.Errorf("%s of memory may be mapped (ulimit -v, LimitAS= of systemd), and the host needs %s, hardly "+
		"any of which it uses: raise that (ulimit -v unlimited), and bound what is used with MemoryMax= of "+
		"systemd or a container's limit, or that of workers with rlimits = { address_space = \"SIZE\" }",
		humanBytes(int64(limit)), humanBytes(leastAddressSpace))
}

// examineMemory compares what the workers may take with what there is. limit is the sum of their memory_limit; 0 is not known.
func (d *diagnosis) examineMemory(workers int, limit int64) {
	total, available, ok := memory()
	if !ok || workers == 0 {
		return
	}
	const remedy = "lower workers, or memory_limit in php_ini, or give the machine more memory"
	switch least := int64(workers) * memoryOfOne; {
	case available < least:
		d.wrong(aboutMachine, "lower workers, or give the machine more memory", "%s is available, and %s need at least %s", humanBytes(available), counted(workers, "worker"), humanBytes(least))
	case limit > total:
		d.advise(aboutMachine, remedy, "the workers may take %s together before PHP stops them, and there is %s of memory", humanBytes(limit), humanBytes(total))
	default:
		d.good(aboutMachine, "%s of %s of memory is available for %s", humanBytes(available), humanBytes(total), counted(workers, "worker"))
	}
}

func (d *diagnosis) examineSpool(folder string, quota int64) {
	free, inMemory, ok := diskSpace(folder)
	switch {
	case !ok:
		d.good(aboutFolders, "large bodies wait in %s", folder)
	case inMemory:
		d.advise(aboutFolders, "name a folder on disk with [http] spool_directory", "%s is in memory: large bodies that wait there, up to %s, take memory, not disk", folder, humanBytes(quota))
	case free < quota:
		d.advise(aboutFolders, "lower [http] spool_quota, or name another folder with spool_directory", "%s has %s left, and large bodies may take %s there", folder, humanBytes(free), humanBytes(quota))
	default:
		d.good(aboutFolders, "large bodies wait in %s, which has %s left", folder, humanBytes(free))
	}
}

// memory is what the machine has, or the control group if that is less.
func memory() (total, available int64, ok bool) {
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
