//go:build !linux

package serve

import (
	"fmt"
	"runtime"
)

func runBelow([]string) (status int, err error) {
	return 0, fmt.Errorf("orphans are adopted on Linux alone, and this is %s; use `host serve`", runtime.GOOS)
}
