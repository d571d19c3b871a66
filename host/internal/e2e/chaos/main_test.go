// Package chaos lets loose whatever may go wrong, and holds the claims under it.
package chaos

import (
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
