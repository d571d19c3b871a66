package process

import (
	"os"
	"testing"
)

// TestMain makes the test binary a reaper as well, when its first argument says so.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "reaper" {
		RunReaper(os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}
