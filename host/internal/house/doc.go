// Package house has no code. Its tests hold what the repository says of itself: who may import whom, and that what its
// documents name is there.
//
// arrows_test.go reads the imports of every package and compares them with the table of host/docs/architecture.md;
// documents_test.go is about the documents.
package house
