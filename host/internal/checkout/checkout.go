// Package checkout finds out which commit a folder is a checkout of. It runs nothing: a repository's own settings name
// programs, and whoever may write there would have them run as somebody else. What it reads can at most be a lie.
package checkout

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	hash      = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	reference = regexp.MustCompile(`^refs/[A-Za-z0-9._/@+=-]+$`)
)

const (
	mostText  = 8 << 20  // bytes of a file with names of commits
	mostIndex = 64 << 20 // of the list of a checkout's files
)

// Commit is what HEAD names in the checkout that the folder is, or is a part of; "" if it is none. Whether files
// differ from that commit is not looked at. A repository counts if it belongs to root, to this process's user, to
// whoever owns the folder, or to one of the users. The file REVISION, which a deploy leaves, counts as one does.
func Commit(folder string, users ...int) string {
	users = append(users, 0, os.Geteuid())
	if info, err := os.Stat(folder); err == nil {
		users = append(users, ownerOf(info))
	}
	for top := folder; ; top = filepath.Dir(top) {
		if info, err := os.Lstat(filepath.Join(top, ".git")); err == nil {
			inside, err := filepath.Rel(top, folder)
			if err != nil || !slices.Contains(users, ownerOf(info)) {
				return ""
			}
			return commit(top, info, filepath.ToSlash(inside))
		}
		note := filepath.Join(top, "REVISION")
		if info, err := os.Lstat(note); err == nil && slices.Contains(users, ownerOf(info)) {
			return checked(line(note))
		}
		if top == filepath.Dir(top) {
			return ""
		}
	}
}

// commit is that of the checkout at top, if inside is a folder with files of its own.
func commit(top string, dotGit os.FileInfo, inside string) string {
	repository := filepath.Join(top, ".git")
	if dotGit.Mode().IsRegular() { // of a worktree, or a submodule
		to, found := strings.CutPrefix(line(repository), "gitdir: ")
		if !found {
			return ""
		}
		repository = from(top, to)
	}
	// a release that was copied to below some other checkout is none of it
	if inside != "." && !bytes.Contains(Contents(filepath.Join(repository, "index"), mostIndex), []byte(inside+"/")) {
		return ""
	}
	head := line(filepath.Join(repository, "HEAD"))
	name, symbolic := strings.CutPrefix(head, "ref: ")
	if !symbolic {
		return checked(head)
	}
	if !reference.MatchString(name) || strings.Contains(name, "..") {
		return ""
	}
	places := []string{repository}
	if common := line(filepath.Join(repository, "commondir")); common != "" {
		places = append(places, from(repository, common))
	}
	for _, place := range places {
		if found := checked(line(filepath.Join(place, filepath.FromSlash(name)))); found != "" {
			return found
		}
		for packed := range bytes.Lines(Contents(filepath.Join(place, "packed-refs"), mostText)) {
			if sum, ref, ok := strings.Cut(strings.TrimSpace(string(packed)), " "); ok && ref == name {
				return checked(sum)
			}
		}
	}
	return ""
}

func checked(text string) string {
	if hash.MatchString(text) {
		return text
	}
	return ""
}

func from(folder, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}

// line is the first one of a small file; "" if it can't be read.
func line(path string) string {
	first, _, _ := strings.Cut(string(Contents(path, 4096)), "\n")
	return strings.TrimSpace(first)
}

// Contents is what a file holds that others may have put there, up to so many bytes; nil for what is no file, and for
// what can't be read. It neither waits for the other end of a named pipe nor reads a device.
func Contents(path string, most int64) []byte {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDONLY|nonblocking, 0)
	if err != nil {
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() { // what has taken its place meanwhile
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return nil
	}
	return data
}
