// log_masked.go keeps secrets out of the host's log and its audit lines.

package serve

import (
	"fmt"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/redact"
)

// masked is a logger that takes out secrets of what is text.
type masked struct{ hclog.Logger }

func (m masked) Log(level hclog.Level, message string, args ...any) {
	if own := m.GetLevel(); level >= own || own == hclog.NoLevel {
		m.Logger.Log(level, redact.Text(message), maskedArgs(args)...)
	}
}

func (m masked) Trace(message string, args ...any) { m.Log(hclog.Trace, message, args...) }
func (m masked) Debug(message string, args ...any) { m.Log(hclog.Debug, message, args...) }
func (m masked) Info(message string, args ...any)  { m.Log(hclog.Info, message, args...) }
func (m masked) Warn(message string, args ...any)  { m.Log(hclog.Warn, message, args...) }
func (m masked) Error(message string, args ...any) { m.Log(hclog.Error, message, args...) }

func (m masked) With(args ...any) hclog.Logger { return masked{m.Logger.With(maskedArgs(args)...)} }

func (m masked) Named(name string) hclog.Logger      { return masked{m.Logger.Named(name)} }
func (m masked) ResetNamed(name string) hclog.Logger { return masked{m.Logger.ResetNamed(name)} }

// maskedArgs are names and values, which are copied only where one has a secret.
func maskedArgs(args []any) []any {
	copied := false
	for i, arg := range args {
		var text string
		switch value := arg.(type) {
		case string:
			text = value
		case error:
			text = value.Error()
		case fmt.Stringer:
			text = value.String()
		default:
			continue
		}
		if clean := redact.Text(text); clean != text {
			if !copied {
				args, copied = append([]any(nil), args...), true
			}
			args[i] = clean
		}
	}
	return args
}
