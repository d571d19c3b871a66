//go:build !linux

// The process of clients is Linux's alone, as the measurements are.

package main

import "errors"

// beClients is for Linux, as the whole program is.
func beClients(string) error { return errors.New("clients need Linux") }

func fit(count int) int { return count }
