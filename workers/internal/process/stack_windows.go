// Windows has no signal to ask a worker with.

package process

func (p *osProcess) AskBacktrace(int) bool { return false }
