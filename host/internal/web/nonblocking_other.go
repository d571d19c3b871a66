//go:build !unix

// There are no named pipes among the files here.

package web

const nonblocking = 0
