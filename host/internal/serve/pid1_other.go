//go:build !linux

// Only on Linux the host can be a container's process 1.

package serve

import (
	"fmt"
	"runtime"
)

func runBelow([]string) (status int, err error) {
	return 0, fmt.Errorf("orphans are adopted on Linux alone, and this is %s; use `host serve`", runtime.GOOS)
}
