// Package vectors is how tests read the JSON of this folder, whose README.md describes it. It knows nothing of the
// codec that they test.
package vectors

import (
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
)

// Plain turns what stands in a vector's message, decoded with json.Number, into what [Level] gives for the same bytes.
func Plain(x any) any {
	switch x := x.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, _ := x.Float64()
		return f
	case []any:
		list := make([]any, len(x))
		for i := range x {
			list[i] = Plain(x[i])
		}
		return list
	case map[string]any:
		if len(x) == 1 {
			if digits, ok := x["hex"].(string); ok {
				b, _ := hex.DecodeString(digits)
				return string(b)
			}
			if times, ok := x["repeat"].([]any); ok {
				n, _ := times[1].(json.Number).Int64()
				return strings.Repeat(times[0].(string), int(n))
			}
		}
		m := make(map[string]any, len(x))
		for k := range x {
			m[k] = Plain(x[k])
		}
		return m
	}
	return x
}

// Level takes a value as a MessagePack library decodes it, and levels the differences that SPEC.md §2.4 levels.
func Level(x any) any {
	switch x := x.(type) {
	case []byte:
		return string(x)
	case []any:
		list := make([]any, len(x))
		for i := range x {
			list[i] = Level(x[i])
		}
		return list
	case map[string]any:
		for k := range x {
			x[k] = Level(x[k])
		}
		return x
	case float32:
		return float64(x)
	case nil, string, bool, float64:
		return x
	}
	n := reflect.ValueOf(x)
	if n.CanUint() {
		return int64(n.Uint())
	}
	return n.Int()
}
