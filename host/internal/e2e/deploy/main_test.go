// Package deploy tests host deploy.
package deploy

import (
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestMain(m *testing.M) {
	harness.Lean()
	harness.Main(m)
}
