//go:build !unix

package listen

const nonblocking = 0
