//go:build !linux

package process

func (p *osProcess) KernelState() string { return "" }
