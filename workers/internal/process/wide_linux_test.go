package process

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestALinksPipesHoldAWindowAsLongAsTheirUserMayHaveSuch(t *testing.T) {
	limit := mostWidened
	t.Cleanup(func() { mostWidened = limit })
	before := widened.Load()
	size := func(f *os.File) (n int) {
		raw, err := f.SyscallConn()
		if err == nil {
			raw.Control(func(fd uintptr) { n, err = unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0) })
		}
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, test := range []struct {
		room        int64
		first, then int
	}{{2 * wide, wide, wide}, {wide, wide, wide / 4}, {0, wide / 4, wide / 4}} {
		mostWidened = func() int64 { return before + test.room }
		p, err := start(Command{Args: []string{"/bin/cat"}}, false)
		if err != nil {
			t.Fatal(err)
		}
		if in, out := size(p.in), size(p.out); in != test.first || out != test.then {
			t.Errorf("with room for %d bytes the pipes have %d and %d", test.room, in, out)
		}
		p.in.Close()
		p.Kill()
		p.process.Wait()
		p.Close()
		if left := widened.Load() - before; left != 0 {
			t.Errorf("%d bytes are never to be given back", left)
		}
	}
}
