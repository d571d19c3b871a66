// Package ecosystem runs programs that are made of others' packages, unmodified, under net/http and behind the host.
// It is a module of its own, since who takes the SDK is not to take these packages along:
//
//	make ecosystem
package ecosystem
