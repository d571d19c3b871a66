// Package cluster has several hosts that are one, with PHP workers, as users start them.
package cluster

import (
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
