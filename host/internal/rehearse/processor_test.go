package rehearse

import (
	"os"
	"runtime"
	"testing"
	"time"
)

func TestStatLinesAreReadWhateverTheCommandsName(t *testing.T) {
	pid, p, ok := parseStat("42 (a b) c) S 7 42 42 0 -1 4194304 1 2 3 4 150 50 20 30 20 0 1 0")
	if !ok || pid != 42 || p.parent != 7 || p.own != 2*time.Second || p.reaped != 500*time.Millisecond {
		t.Errorf("%d, %+v, %v", pid, p, ok)
	}
	for _, line := range []string{"", "42 (a", "42 (a) S 7", "x (a) S 7 42 42 0 -1 4194304 1 2 3 4 150 50 20 30"} {
		if _, _, ok := parseStat(line); ok {
			t.Errorf("%q is taken", line)
		}
	}
}

func TestAProcessThatIsGoneIsToldOf(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processor times are known on Linux alone")
	}
	if _, err := ProcessorTime([]int{os.Getpid()}, true); err != nil {
		t.Error(err)
	}
	if _, err := ProcessorTime([]int{1 << 30}, true); err == nil {
		t.Error("nothing was said of it")
	}
}
