// Bodies in chunks (RFC 9112 §7.1).

package http1

import (
	"slices"
	"strconv"
	"strings"
)

// AppendChunkSize appends the line that comes before a chunk of n bytes, which is not to be 0. A CR LF follows those.
func AppendChunkSize(b []byte, n int) []byte {
	return append(strconv.AppendInt(b, int64(n), 16), "\r\n"...)
}

// AppendLastChunk appends what ends a body: the last chunk, and the trailers, which are those fields of header whose
// names begin with prefix.
func AppendLastChunk(b []byte, header map[string][]string, prefix string) []byte {
	b = append(b, "0\r\n"...)
	var keys []string
	for key := range header {
		if name, ok := strings.CutPrefix(key, prefix); ok && validName(name) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		for _, value := range header[key] {
			b = appendField(b, key[len(prefix):], strings.Trim(value, " \t\r\n"))
		}
	}
	return append(b, "\r\n"...)
}
