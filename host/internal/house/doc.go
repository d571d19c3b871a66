// Package house has no code. Its tests see to what the repository says of itself: who may import whom, that what its
// documents name is there, and that files, declarations and names say what they are.
//
// arrows_test.go reads the imports of every package and compares them with the table of host/docs/architecture.md;
// documents_test.go is about the documents, names_test.go about comments and names.
package house
