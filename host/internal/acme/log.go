// log.go has the library say in the host's log what people should know, and the rest to who debugs.

package acme

import (
	"maps"
	"slices"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/zap/zapcore"
)

// core implements [zapcore.Core]. The manager itself tells of certificates that were had or not, so that what the
// library says on the way is for debugging.
type core struct {
	log    hclog.Logger
	fields []zapcore.Field
}

// Enabled implements zapcore.Core.
func (c *core) Enabled(level zapcore.Level) bool { return c.log.IsDebug() }

// With implements zapcore.Core.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	return &core{c.log, append(slices.Clip(c.fields), fields...)}
}

// Check implements zapcore.Core.
func (c *core) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

// Write implements zapcore.Core.
func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	all := zapcore.NewMapObjectEncoder()
	for _, f := range append(slices.Clip(c.fields), fields...) {
		f.AddTo(all)
	}
	args := []any{"level", e.Level.String()}
	for _, key := range slices.Sorted(maps.Keys(all.Fields)) {
		args = append(args, key, all.Fields[key])
	}
	c.log.Debug("certificates: "+e.Message, args...)
	return nil
}

// Sync implements zapcore.Core.
func (c *core) Sync() error { return nil }
