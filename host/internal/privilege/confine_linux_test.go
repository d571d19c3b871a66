package privilege

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestOnlyWhatTheKernelKnowsIsAskedOfIt(t *testing.T) {
	for version, known := range map[int]struct{ files, scopes uint64 }{
		1: {1<<13 - 1, 0}, 2: {1<<14 - 1, 0}, 3: {1<<15 - 1, 0}, 4: {1<<15 - 1, 0}, 5: {1<<16 - 1, 0},
		6: {1<<16 - 1, 1<<2 - 1}, 99: {1<<16 - 1, 1<<2 - 1},
	} {
		files, scopes := handled(version)
		if files != known.files || scopes != known.scopes {
			t.Errorf("version %d: files %#x, want %#x; scopes %#x", version, files, known.files, scopes)
		}
	}
	if writing&unix.LANDLOCK_ACCESS_FS_EXECUTE != 0 {
		t.Error("what can be written can be executed")
	}
}
