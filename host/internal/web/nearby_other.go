//go:build !linux

// Elsewhere nothing is known of a folder without asking the disk.

package web

import "os"

func isLocal(*os.File) bool { return false }

func (*folder) nearby(string, bool) (*nearFile, bool) { return nil, false }
