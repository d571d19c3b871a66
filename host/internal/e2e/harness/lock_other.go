//go:build !unix

// Processes of tests do not wait for one another here.

package harness

// lock does nothing: run one package of tests at a time here.
func lock(string) (unlock func(), err error) { return func() {}, nil }
