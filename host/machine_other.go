//go:build !linux

package main

func processLimit() (n uint64, source string, ok bool) { return 0, "", false }

func diskSpace(string) (free int64, inMemory, ok bool) { return 0, false, false }

func addressSpace() (limit uint64, limited bool) { return 0, false }
