//go:build !unix

package sdk

// answerBacktraces offers nothing: there is no signal to ask with.
func (l *link) answerBacktraces() (features []string) { return nil }
