//go:build !unix

// control_other.go is for systems without Unix modes. There the temporary directory is the user's own already.

package config

import "io/fs"

// systemFolder: there is no folder for services.
const systemFolder = ""

// systemState: nor is there one for what outlives them.
const systemState = ""

func isRoot() bool { return false }

func userID() string { return "control" }

func usable(string) bool { return false }

func ownedByUs(fs.FileInfo) bool { return true }

func privateMode(fs.FileInfo) bool { return true }

func mayEnter(fs.FileInfo, int) bool { return true }
