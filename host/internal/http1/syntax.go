// Package http1 is the syntax of HTTP/1.1, without any I/O: what tokens and hosts look like (RFC 9110).
package http1

import "strings"

// TokenByte says which bytes a token may have (RFC 9110 §5.6.2); hostByte is likewise for a host's name.
var TokenByte, hostByte = byteTables()

func byteTables() (token, host [256]bool) {
	for c := '0'; c <= '9'; c++ {
		token[c], host[c] = true, true
	}
	for c := 'a'; c <= 'z'; c++ {
		token[c], token[c-'a'+'A'] = true, true
		host[c], host[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		token[c] = true
	}
	for _, c := range "-._~" {
		host[c] = true
	}
	return token, host
}

// TokenLength is how many bytes of b are a token's.
func TokenLength(b []byte) int {
	for i, c := range b {
		if !TokenByte[c] {
			return i
		}
	}
	return len(b)
}

// ValidHost takes a name, an IPv4 address or a bracketed IPv6 address, with or without a port; also nothing (RFC
// 9110 §7.2).
func ValidHost(host string) bool {
	name, port := host, ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return false
		}
		for _, c := range []byte(host[1:end]) {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == ':' || c == '.') {
				return false
			}
		}
		name, port = "", host[end+1:]
	} else if i := strings.IndexByte(host, ':'); i >= 0 {
		name, port = host[:i], host[i:]
	}
	for i := 0; i < len(name); i++ {
		if !hostByte[name[i]] {
			return false
		}
	}
	if port == "" {
		return true
	}
	number := 0
	for i := 1; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
		number = number*10 + int(port[i]-'0')
	}
	return port[0] == ':' && len(port) <= 6 && number <= 65535
}
