//go:build !linux

package fastcgi

const canWaitForServers = false
