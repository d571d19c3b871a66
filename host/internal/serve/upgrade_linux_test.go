package serve

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
)

func TestAStopDuringATakeOverReachesTheHostThatServes(t *testing.T) {
	serves := exec.Command("sleep", "5")
	if err := serves.Start(); err != nil {
		t.Fatal(err)
	}
	h := newHost(&config.Config{}, hclog.NewNullLogger())
	h.upgrade.replaced.Store(&next{pid: serves.Process.Pid})
	h.leaving.Store(true) // as by the take-over
	h.Stop(false)
	h.Stop(false)
	serves.Wait()
	if how := serves.ProcessState.Sys().(syscall.WaitStatus); how.Signal() != syscall.SIGTERM {
		t.Errorf("it ended by %s", serves.ProcessState)
	}
}
