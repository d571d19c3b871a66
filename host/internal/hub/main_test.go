package hub

import (
	"os"
	"testing"

	"github.com/workerhost/workerhost/host/internal/goroutines"
)

// TestMain fails on a leaked goroutine.
func TestMain(m *testing.M) { os.Exit(goroutines.Main(m, "/hub.")) }
