// hook.go: a repository that is pushed to, whose hook is a deploy.

package deploy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/checkout"
)

// hookNote is how a hook is known that was made here.
const hookNote = "# made by host deploy init"

// Init makes a bare repository in a folder, unless there is one, with a hook that runs a command for each push. It
// gives the path of the hook. A hook of somebody else stays, and is an error.
func Init(ctx context.Context, folder, branch string, command []string) (hook string, err error) {
	if err := supported(); err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(folder, "HEAD")); errors.Is(err, fs.ErrNotExist) {
		if err := InitBare(ctx, folder, branch); err != nil {
			return "", err
		}
	}
	// what a push says of itself reaches the hook
	if _, err := output(Repository{From: folder}.command(ctx, "config", "receive.advertisePushOptions",
		"true")); err != nil {
		return "", err
	}
	hook = filepath.Join(folder, "hooks", hookName)
	if err := writeHook(folder, command); err != nil {
		return "", fmt.Errorf("%s can't be made: %w", hook, err)
	}
	return hook, nil
}

const hookName = "pre-receive"

// writeHook makes the hook, or renews it. The repository may be somebody else's, who could have put symlinks in the
// way, so nothing outside of it is reached.
func writeHook(folder string, command []string) error {
	repository, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer repository.Close()
	if err := repository.Mkdir("hooks", 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	hooks, err := repository.OpenRoot("hooks")
	if err != nil {
		return err
	}
	defer hooks.Close()
	switch _, err := hooks.Lstat(hookName); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !bytes.Contains(checkout.Contents(filepath.Join(folder, "hooks", hookName), 64<<10), []byte(hookNote)):
		return fmt.Errorf("it is there, and somebody else's: have it run %s, with its own input", quoted(command))
	}
	const next = hookName + ".next"
	if err := hooks.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := hooks.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "#!/bin/sh\n%s: a push to the branch is the deploy, and is refused if that fails\n"+
		"exec %s\n", hookNote, quoted(command))
	if err := errors.Join(err, file.Chmod(0o755), file.Close()); err != nil {
		return err
	}
	return hooks.Rename(next, hookName)
}

// quoted is a command as a shell reads it.
func quoted(command []string) string {
	var words []string
	for _, word := range command {
		words = append(words, "'"+strings.ReplaceAll(word, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}

// Pushed reads what git tells a hook, and gives the commit that a branch is to be at; "" if the push is not about that
// branch, or removes it. others are what else was pushed.
func Pushed(from io.Reader, branch string) (commit string, others []string, err error) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || !commitID.MatchString(fields[1]) {
			return "", nil, fmt.Errorf("%.100q is nothing that git tells a hook", lines.Text())
		}
		if fields[2] != "refs/heads/"+branch || strings.Trim(fields[1], "0") == "" {
			others = append(others, fields[2])
			continue
		}
		commit = fields[1]
	}
	return commit, others, lines.Err()
}

// PushOptions are what a push was given by git push -o, as git tells a hook in its environment.
func PushOptions(env func(string) string) (options []string) {
	count, _ := strconv.Atoi(env("GIT_PUSH_OPTION_COUNT"))
	for i := range min(count, mostPushOptions) {
		options = append(options, env("GIT_PUSH_OPTION_"+strconv.Itoa(i)))
	}
	return options
}

const mostPushOptions = 100

// Look says something that changes when a branch of a repository that is here does. It is cheap, and does not run git.
func (g Repository) Look(branch string) string {
	var seen strings.Builder
	seen.Write(checkout.Contents(filepath.Join(g.gitFolder(), "refs/heads", filepath.FromSlash(branch)), 128))
	for _, name := range []string{"packed-refs", "reftable/tables.list"} {
		if info, err := os.Stat(filepath.Join(g.gitFolder(), name)); err == nil {
			fmt.Fprint(&seen, info.Size(), info.ModTime().UnixNano(), ",")
		}
	}
	return seen.String()
}

// gitFolder is where a repository has its own files.
func (g Repository) gitFolder() string {
	inside := filepath.Join(g.folder(), ".git")
	if info, err := os.Stat(inside); err == nil && info.IsDir() {
		return inside
	}
	return g.folder()
}

// Commit is that of the release that the symlink leads to; "" if it is not known.
func (p Place) Commit() string {
	// whose files belong to the pool's user
	commit := strings.TrimSpace(string(checkout.Contents(filepath.Join(p.Current, Revision), 128)))
	if !commitID.MatchString(commit) {
		return ""
	}
	return commit
}
