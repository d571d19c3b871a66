//go:build !linux

package workers

func (p *osProcess) kernelState() string { return "" }
