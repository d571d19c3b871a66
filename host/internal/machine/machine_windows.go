// Windows has no limit on open files to ask for.

package machine

// FileLimit is not known here.
func FileLimit() (uint64, bool) { return 0, false }
