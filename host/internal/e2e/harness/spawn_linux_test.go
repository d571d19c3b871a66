package harness

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

// TestAHostAndItsWorkersDieWithTheTestBinary has another test binary start a host, and kills it.
func TestAHostAndItsWorkersDieWithTheTestBinary(t *testing.T) {
	const asked = "HARNESS_SERVES_UNTIL_KILLED"
	if os.Getenv(asked) != "" {
		h := Start(t, "-n", "2", PHPWorker(t, AnsweringWith(`'here'`)))
		fmt.Println("up", h.Cmd.Process.Pid, strings.Trim(fmt.Sprint(h.PIDs()), "[]"))
		select {}
	}
	other := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	other.Env = append(os.Environ(), asked+"=1", "TMPDIR="+t.TempDir())
	out, err := other.StdoutPipe()
	Must(t, err)
	Must(t, Spawn(other))
	var host, first, second int
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscanf(line, "up %d %d %d", &host, &first, &second); err != nil {
		t.Fatalf("the other test binary says %q", line)
	}
	Must(t, other.Process.Signal(syscall.SIGKILL))
	other.Wait()
	AwaitGone(t, host, first, second)
}
