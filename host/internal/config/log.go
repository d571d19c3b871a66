// log.go has what [log] may name as secret.

package config

// check says what is wrong with [log], besides what its tags tell.
func (l *Log) check(fail fail) {
	for _, name := range l.Redact {
		if !headerName.MatchString(name) {
			fail("log.redact", "expected names of query parameters and headers, such as \"X-Api-Key\", found %s",
				describe(name))
		}
	}
}
