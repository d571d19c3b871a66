// keep.go: the file with what has run when, which a restarted host goes on from.

package cron

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
)

// keeper is the file. The room's mu guards it.
type keeper struct {
	open func() (file string, err error) // nil: nothing is kept, or it has been opened
	file string                          // "": likewise
	past map[string]past
	told bool // that it can't be written
}

// past is what is kept of an entry.
type past struct {
	Schedule string    `json:"schedule"`
	Done     time.Time `json:"done"`
	History  []Result  `json:"history,omitempty"`
	Counts
}

// read reads the file, once. One that can't be read is as none, with a word.
func (k *keeper) read(log hclog.Logger) {
	if k.open == nil {
		return
	}
	var data []byte
	file, err := k.open()
	k.open, k.file, k.past = nil, file, map[string]past{}
	if err == nil {
		data, err = os.ReadFile(file)
	}
	if err == nil {
		err = json.Unmarshal(data, &k.past)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Error("what has run by the clock can't be read, and no missed run is made up for", "file", file,
			"error", err)
		k.past = map[string]past{}
	}
}

// write replaces the file as a whole.
func (k *keeper) write(entries []*entry, log hclog.Logger) {
	k.past = map[string]past{} // others go with the configuration
	for _, e := range entries {
		k.past[e.Name] = past{Schedule: e.schedule(), Done: e.done, History: e.history, Counts: e.counts}
	}
	if k.file == "" {
		return
	}
	data, err := json.Marshal(k.past)
	if err == nil {
		err = os.WriteFile(k.file+".new", data, 0o600)
	}
	if err == nil {
		err = os.Rename(k.file+".new", k.file)
	}
	if err != nil && !k.told {
		log.Error("what has run by the clock can't be written down: after a restart no missed run is known", "file",
			k.file, "error", err)
	}
	k.told = err != nil
}
