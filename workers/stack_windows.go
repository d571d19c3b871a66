package workers

func (p *osProcess) askBacktrace(int) bool { return false }
