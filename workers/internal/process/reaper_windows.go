// Windows ends the workers' jobs when their host dies.

package process

import "syscall"

// reaperNeeded: the system does its work.
const reaperNeeded = false

func reaperGroup() *syscall.SysProcAttr { return nil }
