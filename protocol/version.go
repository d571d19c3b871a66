// Version choice (SPEC.md §3).

package protocol

import "fmt"

func versionError(offered []int) error {
	return fmt.Errorf("no common protocol version: the host offers %v, this worker speaks [%d]; use an SDK and a "+
		"host of the same major version", offered, Version)
}

// CheckReady says whether a READY fits what was offered: its version has to be one that this package speaks.
func CheckReady(r *Ready) error {
	if r.Version != Version {
		return &LinkError{Expected: fmt.Sprintf("READY with version %d", Version),
			Got: fmt.Sprintf("version %d", r.Version)}
	}
	return nil
}
