//go:build !linux

// Other systems do not say where a process waits.

package process

func (p *osProcess) KernelState() string { return "" }
