package ecosystem

import (
	"os"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asWorker {
		beWorker()
		return
	}
	harness.Main(m)
}
