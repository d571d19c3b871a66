// Package rehearse asks two stacks the same, and finds where their answers differ: an old one and a new one, by URL,
// or the old and the new code of a pool.
//
//   - [Read] takes the requests from an access log, a list of URLs or a HAR file (source.go, line.go, har.go), and
//     [Pick] chooses those that are asked, all routes among them (route.go).
//   - A [Rehearsal] asks them (rehearsal.go): of each [Stack] it knows how to ask (site.go by HTTP, pool.go in this
//     process), and nothing else. The old one is asked before the new one and after it, so that what changes by itself
//     (a clock, a token) shows in the old one's answers, and is no difference.
//   - mask.go takes that out of two texts, diff.go says where they part, compare.go what two answers differ in.
//   - A [Report] is what was found, by route and kind; [Report.JUnit] writes it for a pipeline.
//
// The package knows no worker and no configuration. A Rehearsal's mu guards its report, and is not held while a stack
// is asked.
package rehearse
