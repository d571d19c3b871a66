// Package canary tests canaries: new code that is tried on a share of the clients.
package canary

import (
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
