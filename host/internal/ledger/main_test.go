package ledger

import (
	"os"
	"testing"

	"github.com/workerhost/workerhost/host/internal/goroutines"
)

func TestMain(m *testing.M) { os.Exit(goroutines.Main(m, "/ledger.")) }
