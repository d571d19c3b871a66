// Package upgrade tests a host that is replaced by another one while it serves.
package upgrade

import (
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
