//go:build !linux

// Only Linux has Landlock.

package privilege

import "errors"

var errNoLandlock = errors.New("confinement needs Landlock, which only Linux has")

// CanConfine returns nil if the kernel has Landlock, and otherwise why it can't be used.
func CanConfine(ports bool) (lacks string, err error) { return "", errNoLandlock }

func confine(*Rules) error { return errNoLandlock }
