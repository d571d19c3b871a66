//go:build !linux

// Only Linux ends a child with its parent.

package main

import "syscall"

// diesWithUs asks for nothing where the kernel can't help: the servers still end on every way out that we see.
func diesWithUs() *syscall.SysProcAttr { return nil }
