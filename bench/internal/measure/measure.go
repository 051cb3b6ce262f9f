// Package measure runs cycles of work, some at a time, and sums up how long they took.
package measure

import (
	"encoding/json"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Result is what a program of the benchmark prints, as one JSON object. Times are in milliseconds.
type Result struct {
	Cycles     int     `json:"cycles"`
	InFlight   int     `json:"inFlight"`
	WallMs     float64 `json:"wallMs"`
	PerSecond  float64 `json:"perSecond"`
	CycleP50Ms float64 `json:"cycleP50Ms"`
	CycleP99Ms float64 `json:"cycleP99Ms"`
	FirstP50Ms float64 `json:"firstP50Ms"`
	FirstP99Ms float64 `json:"firstP99Ms"`
}

// Cycle does the work of one number and tells how long its first half took.
type Cycle func(number int) (first time.Duration, err error)

// Run does warmUp cycles unmeasured and then the measured ones, with inFlight of them running at any time.
// Every cycle gets a number of its own. The first error ends the run.
func Run(inFlight, warmUp, cycles int, cycle Cycle) (Result, error) {
	if _, _, err := batch(inFlight, 0, warmUp, cycle); err != nil {
		return Result{}, err
	}
	begun := time.Now()
	whole, first, err := batch(inFlight, warmUp, cycles, cycle)
	if err != nil {
		return Result{}, err
	}
	wall := time.Since(begun)
	return Result{
		Cycles: cycles, InFlight: inFlight, WallMs: milliseconds(wall), PerSecond: float64(cycles) / wall.Seconds(),
		CycleP50Ms: quantile(whole, 0.5), CycleP99Ms: quantile(whole, 0.99),
		FirstP50Ms: quantile(first, 0.5), FirstP99Ms: quantile(first, 0.99),
	}, nil
}

func batch(inFlight, from, count int, cycle Cycle) (whole, first []time.Duration, failure error) {
	whole, first = make([]time.Duration, count), make([]time.Duration, count)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	for range inFlight {
		workers.Go(func() {
			for failed.Load() == nil {
				index := int(next.Add(1)) - 1
				if index >= count {
					return
				}
				begun := time.Now()
				half, err := cycle(from + index)
				whole[index], first[index] = time.Since(begun), half
				if err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	workers.Wait()
	if err := failed.Load(); err != nil {
		failure = *err
	}
	return whole, first, failure
}

func quantile(durations []time.Duration, share float64) float64 {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	return milliseconds(sorted[min(len(sorted)-1, int(share*float64(len(sorted))))])
}

func milliseconds(duration time.Duration) float64 {
	return float64(duration.Nanoseconds()) / 1e6
}

// Print writes the result for the program that started this one.
func Print(result any) error {
	return json.NewEncoder(os.Stdout).Encode(result)
}
