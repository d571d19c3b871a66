//go:build !linux

// Elsewhere nothing is measured.

package main

import "context"

// measureTakeovers is not reached: run refuses other systems.
func measureTakeovers(context.Context, *stage, options) ([]takeover, error) { return nil, nil }

// measureStreams is likewise.
func measureStreams(context.Context, *stage, options) ([]streamed, error) { return nil, nil }
