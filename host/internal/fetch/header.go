// header.go: how code that can't return a RESPONSE of its own asks for a fetch (SPEC.md §15.4).

package fetch

// Header is the field of a response that asks for one. It reaches no client.
const Header = "X-Worker-Fetch"
