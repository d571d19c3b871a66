//go:build !unix

// There is no SIGUSR2 here, so no backtraces are offered.

package sdk

// answerBacktraces offers nothing: there is no signal to ask with.
func (l *link) answerBacktraces() (features []string) { return nil }
