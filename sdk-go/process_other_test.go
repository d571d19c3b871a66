//go:build !unix

package sdk

// asWorker is for tests that run on unix only.
func asWorker() {}
