// Windows needs no group for the reaper.

package process

import "syscall"

func reaperGroup() *syscall.SysProcAttr { return nil }
