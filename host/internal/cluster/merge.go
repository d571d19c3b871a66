// merge.go: the answers of several hosts as one.

package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/workerhost/workerhost/protocol"
)

// merging makes one value of those that there are.
type merging func(values []protocol.Value) (protocol.Value, error)

// merges are the methods that mean all hosts.
var merges = map[string]merging{
	"count":       sum,
	"online":      anyOf,
	"ids":         func(v []protocol.Value) (protocol.Value, error) { return join(v, false) },
	"uids":        func(v []protocol.Value) (protocol.Value, error) { return join(v, true) },
	"user":        func(v []protocol.Value) (protocol.Value, error) { return join(v, false) },
	"groups":      census,
	"connections": joinRaw,
}

// all merges answers, unless one of them is an error.
func (m merging) all(answers []answerMessage) (value protocol.Value, failed *answerMessage, err error) {
	var values []protocol.Value
	for i, a := range answers {
		if a.Error != "" {
			return nil, &answers[i], nil
		}
		if len(a.Value) > 0 {
			values = append(values, a.Value)
		}
	}
	value, err = m(values)
	return value, nil, err
}

func sum(values []protocol.Value) (protocol.Value, error) {
	total := int64(0)
	for _, v := range values {
		var n int64
		if err := v.DecodeInto(&n); err != nil {
			return nil, err
		}
		total += n
	}
	return protocol.NewValue(total)
}

func anyOf(values []protocol.Value) (protocol.Value, error) {
	for _, v := range values {
		var yes bool
		if err := v.DecodeInto(&yes); err != nil {
			return nil, err
		}
		if yes {
			return protocol.NewValue(true)
		}
	}
	return protocol.NewValue(false)
}

// join puts lists of text together; with once, each text is there once.
func join(values []protocol.Value, once bool) (protocol.Value, error) {
	all, seen := []string{}, map[string]bool{}
	for _, v := range values {
		var some []string
		if err := v.DecodeInto(&some); err != nil {
			return nil, err
		}
		for _, text := range some {
			if once && seen[text] {
				continue
			}
			seen[text] = true
			all = append(all, text)
		}
	}
	return protocol.NewValue(all)
}

// census adds up how many are in each group: names and numbers by turns.
func census(values []protocol.Value) (protocol.Value, error) {
	total := map[string]int{}
	for _, v := range values {
		members, err := protocol.ParseGroups(v)
		if err != nil {
			return nil, err
		}
		for name, n := range members {
			total[name] += n
		}
	}
	all := make([]any, 0, 2*len(total))
	for name, n := range total {
		all = append(all, name, n)
	}
	return protocol.NewValue(all)
}

// joinRaw puts lists together without looking into them.
func joinRaw(values []protocol.Value) (protocol.Value, error) {
	const list32 = 0xdd
	total, all := uint64(0), []byte{list32, 0, 0, 0, 0}
	for _, v := range values {
		n, rest, err := list(v)
		if err != nil {
			return nil, err
		}
		total, all = total+uint64(n), append(all, rest...)
	}
	if total > 1<<32-1 {
		return nil, errors.New("too many to list")
	}
	binary.BigEndian.PutUint32(all[1:], uint32(total))
	return all, nil
}

// list gives the count of a list, and its elements.
func list(v protocol.Value) (n uint32, elements []byte, err error) {
	const fixed, fixedMask, list16, list32 = 0x90, 0xf0, 0xdc, 0xdd
	switch {
	case len(v) >= 1 && v[0]&fixedMask == fixed:
		return uint32(v[0] &^ fixedMask), v[1:], nil
	case len(v) >= 3 && v[0] == list16:
		return uint32(binary.BigEndian.Uint16(v[1:])), v[3:], nil
	case len(v) >= 5 && v[0] == list32:
		return binary.BigEndian.Uint32(v[1:]), v[5:], nil
	}
	return 0, nil, fmt.Errorf("a value of %d bytes is no list", len(v))
}
