// The one spelling of a path, for whatever is decided by it: which route, which pool's measure, which script.

package protocol

import (
	"path"
	"strings"
)

// CanonicalPath is the one spelling of a target's path, without its query: escapes of unreserved characters (RFC 3986
// §2.3) are decoded, dot segments resolved and doubled slashes joined. Other escapes, %2F among them, and letters'
// case stay. ok is false for what has none: no path at all, which is given back as it is, an escape that is none, or
// dots that lead above the root. A path that is canonical already costs no allocation.
func CanonicalPath(target string) (canonical string, ok bool) {
	asked, _, _ := strings.Cut(target, "?")
	if asked == "" || asked[0] != '/' {
		return asked, false
	}
	canonical, ok = asked, true
	if strings.IndexByte(asked, '%') >= 0 {
		canonical, ok = decodeUnreserved(asked)
	}
	if strings.Contains(canonical, "//") || strings.Contains(canonical, "/.") {
		ok = ok && !leavesRoot(canonical)
		canonical = ResolvePath(canonical)
	}
	return canonical, ok
}

// ResolvePath resolves the dot segments of a path that begins with a slash, and joins its doubled slashes. What leads
// above the root ends there.
func ResolvePath(p string) string {
	folder := strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")
	if p = path.Clean(p); folder && p != "/" {
		p += "/"
	}
	return p
}

// leavesRoot says whether a path leads above its beginning at any place.
func leavesRoot(p string) bool {
	depth := 0
	for segment := range strings.SplitSeq(p, "/") {
		switch segment {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// decodeUnreserved decodes the escapes of unreserved characters. valid is false if there is a % that begins none.
func decodeUnreserved(s string) (decoded string, valid bool) {
	valid = true
	var out strings.Builder // nothing is written before there is something to decode
	from := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		c, ok := escaped(s[i+1:])
		switch {
		case !ok:
			valid = false
		case unreserved(c):
			out.WriteString(s[from:i])
			out.WriteByte(c)
			i += 2
			from = i + 1
		default:
			i += 2
		}
	}
	if from == 0 {
		return s, valid
	}
	out.WriteString(s[from:])
	return out.String(), valid
}

// escaped reads the two digits of an escape.
func escaped(digits string) (c byte, ok bool) {
	if len(digits) < 2 {
		return 0, false
	}
	for _, d := range []byte(digits[:2]) {
		switch {
		case '0' <= d && d <= '9':
			c = c<<4 | (d - '0')
		case 'a' <= d|0x20 && d|0x20 <= 'f':
			c = c<<4 | (d | 0x20 - 'a' + 10)
		default:
			return 0, false
		}
	}
	return c, true
}

func unreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
