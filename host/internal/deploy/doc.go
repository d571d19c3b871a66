// Package deploy makes releases: folders with numbers, beside a symlink that leads to the one that is live.
//
//	/srv/shop/current                   leads to releases/43
//	/srv/shop/releases/43               a release that is whole
//	/srv/shop/releases/44               one that is being made, or was given up,
//	/srv/shop/releases/44.unfinished    as this mark says
//	/srv/shop/shared/storage            what releases have in common, and only link to
//
// What it promises:
//
//   - The symlink leads to a whole release at any moment: it changes in one rename, and what is marked is never led to
//     before all of it is on the disk.
//   - Whatever kills a deploy leaves no more than a mark and its folder, which the next one removes; or keeps, if that
//     release has gone live meanwhile.
//   - Two deploys of a place exclude each other, for as long as their processes live. The mark of a release is locked
//     by whoever puts it live, and not removed under them.
//   - A number never comes again.
//   - What comes in, from an archive, a folder or git, is judged by one rule, and nothing of it comes to lie outside
//     of the release, or leads out of it. It is bounded in size and number.
//   - What of a command line goes to git is never an option, and never a shell's.
//
// place.go has the folders, owner.go to whom they belong, move.go the symlink, release.go a release's life, tree.go
// what one is filled with and judge.go what may come in; archive.go, folder.go and git.go are where it comes from.
// share.go links what is shared, build.go runs commands in a release, adopt.go makes one of a folder that is in use,
// hook.go has a repository that is pushed to. The package knows no host, no pool and no configuration.
//
// By root it is to be used only where the folder that all of it is in belongs to root: whoever may write there could
// have names lead elsewhere.
package deploy
