package process

func (p *osProcess) AskBacktrace(int) bool { return false }
