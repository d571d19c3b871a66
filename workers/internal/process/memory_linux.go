// How much memory a process has, as /proc says.

package process

import (
	"bytes"
	"os"
	"strconv"
)

// PrivateMemory is how much of a process's memory is its own, in bytes: what would be free without it. Where the
// kernel does not say that it is what was never a file's, which a fork shares with its parent until either writes to
// it.
func PrivateMemory(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		b, err = os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	}
	if err != nil {
		return 0
	}
	var sum int64
	for line := range bytes.Lines(b) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		switch string(name) {
		case "Private_Clean", "Private_Dirty", "Private_Hugetlb", "RssAnon":
			if fields := bytes.Fields(rest); len(fields) > 0 {
				size, _ := strconv.ParseInt(string(fields[0]), 10, 64) // in KiB; 0 if it is no number
				sum += size << 10
			}
		}
	}
	return sum
}

// ResidentMemory reads a process's resident set from /proc, in bytes.
func ResidentMemory(pid int) int64 {
	if pid == 0 {
		return 0
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// mostRelatives bounds the processes that FamilyMemory looks at.
const mostRelatives = 1000

// FamilyMemory is the resident memory of a process and all that descend from it, in bytes.
func FamilyMemory(pid int) (sum int64) {
	family := []int{pid}
	for i := 0; i < len(family) && i < mostRelatives; i++ {
		sum += ResidentMemory(family[i])
		tasks := "/proc/" + strconv.Itoa(family[i]) + "/task/"
		threads, _ := os.ReadDir(tasks) // an error means that it has ended
		for _, thread := range threads {
			children, _ := os.ReadFile(tasks + thread.Name() + "/children")
			for _, child := range bytes.Fields(children) {
				if n, err := strconv.Atoi(string(child)); err == nil {
					family = append(family, n)
				}
			}
		}
	}
	return sum
}
