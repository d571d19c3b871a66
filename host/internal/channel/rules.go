// rules.go: which groups are kept.

package channel

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Rule is what is kept of the groups that a pattern names.
type Rule struct {
	Pattern string        // a name, in which each * stands for any characters, also for none
	History int           // messages of each group that are kept; 0 is none
	TTL     time.Duration // how long each of them is, in whole seconds
	// Presence is how long users of such a group are there after they have left; 0 is that nobody is told who is. It
	// is for others: the room keeps messages alone.
	Presence time.Duration
}

// terms are the rules of a realm.
type terms struct {
	rules []Rule // the most exact first
	most  int    // of their histories
}

func newTerms(rules []Rule) *terms {
	t := &terms{rules: slices.Clone(rules)}
	literals := func(r Rule) int { return len(r.Pattern) - strings.Count(r.Pattern, "*") }
	slices.SortStableFunc(t.rules, func(a, b Rule) int {
		exact := func(r Rule) int { return min(1, strings.Count(r.Pattern, "*")) }
		return cmp.Or(cmp.Compare(exact(a), exact(b)), cmp.Compare(literals(b), literals(a)),
			cmp.Compare(a.Pattern, b.Pattern))
	})
	for _, r := range rules {
		t.most = max(t.most, r.History)
	}
	return t
}

// Match gives of each group's name the rule that is for it, the most exact; nil if there is none.
func Match(rules []Rule) func(group string) *Rule { return newTerms(rules).of }

// of is the rule for a group; nil if there is none.
func (t *terms) of(group string) *Rule {
	for i := range t.rules {
		if matches(t.rules[i].Pattern, group) {
			return &t.rules[i]
		}
	}
	return nil
}

// matches says whether a pattern means a name.
func matches(pattern, name string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	for {
		part, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], more
	}
}
