// log_masked.go keeps secrets out of the host's log and its audit lines.

package serve

import (
	"fmt"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/redact"
)

// masked is a logger that takes out secrets.
type masked struct {
	hclog.Logger
	own bool // all keys are the host's own words: "token" names one there
}

func (m masked) Log(level hclog.Level, message string, args ...any) {
	if own := m.GetLevel(); level >= own || own == hclog.NoLevel {
		m.Logger.Log(level, redact.Text(message), m.maskedArgs(args)...)
	}
}

func (m masked) Trace(message string, args ...any) { m.Log(hclog.Trace, message, args...) }
func (m masked) Debug(message string, args ...any) { m.Log(hclog.Debug, message, args...) }
func (m masked) Info(message string, args ...any)  { m.Log(hclog.Info, message, args...) }
func (m masked) Warn(message string, args ...any)  { m.Log(hclog.Warn, message, args...) }
func (m masked) Error(message string, args ...any) { m.Log(hclog.Error, message, args...) }

func (m masked) With(args ...any) hclog.Logger {
	return masked{m.Logger.With(m.maskedArgs(args)...), m.own}
}

func (m masked) Named(name string) hclog.Logger      { return masked{m.Logger.Named(name), m.own} }
func (m masked) ResetNamed(name string) hclog.Logger { return masked{m.Logger.ResetNamed(name), m.own} }

// maskedArgs are names and values, which are copied only where one has a secret.
func (m masked) maskedArgs(args []any) []any {
	copied := false
	for i, arg := range args {
		clean, changed := maskedValue(arg)
		if key, ok := args[max(0, i-1)].(string); ok && !m.own && i%2 == 1 && redact.Key(key) {
			clean, changed = redact.Mask, true
		}
		if changed && !copied {
			args, copied = slices.Clone(args), true
		}
		if changed {
			args[i] = clean
		}
	}
	return args
}

// maskedValue is a value without secrets, and whether it had any.
func maskedValue(value any) (clean any, changed bool) {
	switch value := value.(type) {
	case string:
		text := redact.Text(value)
		return text, text != value
	case error:
		text := value.Error()
		clean := redact.Text(text)
		return clean, clean != text
	case fmt.Stringer:
		text := value.String()
		clean := redact.Text(text)
		return clean, clean != text
	case []string:
		all := make([]string, len(value))
		for i, text := range value {
			all[i] = redact.Text(text)
		}
		return all, !slices.Equal(all, value)
	case []any:
		all := make([]any, len(value))
		for i := range value {
			one, other := maskedValue(value[i])
			all[i], changed = value[i], changed || other
			if other {
				all[i] = one
			}
		}
		return all, changed
	case map[string]any:
		all := make(map[string]any, len(value))
		for key, of := range value {
			one, other := maskedValue(of)
			switch {
			case redact.Key(key):
				all[key], changed = redact.Mask, true
			case other:
				all[key], changed = one, true
			default:
				all[key] = of
			}
		}
		return all, changed
	}
	return value, false
}
