// Package faults keeps what made requests and events fail, so that a person finds it, and may ask new code the same.
//
//   - A [Room] stands before a pool. While nothing is kept it costs one load; else it listens to what comes of each
//     exchange: a status from 500 on, an error that the worker logged with it, a death, a time-out.
//   - A [Keeper] has those of all pools: the latest, within bounds of number and of bytes, without the secrets that
//     [redact] knows, and of each kind how often it came, when first and last, and since which generation.
//
// The package knows no worker, no pool and no configuration. Keeper.mu guards all that is kept, and is held while
// nothing else is called.
package faults
