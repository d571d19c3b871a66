// poll.go looks at the files from time to time.

package watch

import (
	"context"
	"io/fs"
	"time"
)

// stamp is how a file is known to be the same.
type stamp struct {
	modified time.Time
	size     int64
}

// poll sends what has changed to found, each interval, until ctx ends.
func poll(ctx context.Context, o Options, roots []string, found chan<- string) {
	before := stamps(o.Filter, roots)
	o.Ready()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := stamps(o.Filter, roots)
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

func stamps(f Filter, roots []string) map[string]stamp {
	all := map[string]stamp{}
	for _, root := range roots {
		walk(f, root, root, func(path string, e fs.DirEntry) error {
			if info, err := e.Info(); err == nil && !e.IsDir() {
				all[path] = stamp{info.ModTime(), info.Size()}
			}
			return nil
		})
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
