//go:build !linux

// Elsewhere than on Linux a host can't be replaced while it serves.

package serve

import (
	"errors"
	"io/fs"
	"os"
)

func upgradable() error {
	return errors.New("a host can be replaced while it serves on Linux alone, where sockets can go to another " +
		"process and whoever has started the first one can wait for the next: stop this host, and start the new one")
}

func startHost(string, []string, *os.File, *keeper) (int, <-chan struct{}, error) {
	return 0, nil, upgradable()
}

func (n *next) discard() {}

func (n *next) passSignals() {}

func (n *next) signalStop() {}

func rootsAlone(string, fs.FileInfo) error { return upgradable() }

// keeper is nil: there is none.
type keeper struct{}

func newKeeper() (*keeper, error) { return nil, upgradable() }

func theKeeper() *keeper { return nil }

func (*keeper) watch(func()) {}

func (*keeper) serves(int) {}

func (*keeper) adopt() error { return upgradable() }

func (*keeper) closeTheirs() {}

func (*keeper) close() {}

func (*keeper) keep(int, <-chan os.Signal) (int, error) { return 0, upgradable() }
