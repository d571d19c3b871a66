// poll.go looks at the files from time to time.

package watch

import (
	"context"
	"io/fs"
	"os"
	"time"
)

// stamp is how a file is known to be the same.
type stamp struct {
	modified time.Time
	size     int64
}

// poll sends what has changed to found, each interval, until ctx ends.
func poll(ctx context.Context, o Options, roots []string, found chan<- string) {
	before := stamps(o, roots)
	o.Ready()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := stamps(o, roots)
		for _, file := range differences(before, now) {
			select {
			case found <- file:
			case <-ctx.Done():
				return
			}
		}
		before = now
	}
}

func stamps(o Options, roots []string) map[string]stamp {
	all := map[string]stamp{}
	for _, root := range roots {
		walk(o.Filter, root, root, func(path string, e fs.DirEntry) error {
			if info, err := e.Info(); err == nil && !e.IsDir() {
				all[path] = stamp{info.ModTime(), info.Size()}
			}
			return nil
		})
	}
	for _, file := range o.Files {
		if info, err := os.Stat(file); err == nil {
			all[file] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}

// differences are the files that came, went or changed.
func differences(before, now map[string]stamp) []string {
	var files []string
	for file, s := range now {
		if old, known := before[file]; !known || old != s {
			files = append(files, file)
		}
	}
	for file := range before {
		if _, there := now[file]; !there {
			files = append(files, file)
		}
	}
	return files
}
