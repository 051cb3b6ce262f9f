// Compares what two paths of one file cost a program that maps it: each round maps the file anew by either path,
// reads it from front to back, then touches places all over it. Which path goes first alternates.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"famfs.io/famfs-csi/bench/internal/measure"
	"golang.org/x/sys/unix"
)

// round is the time that one path took, in milliseconds, and what was read, which both paths have to agree on.
type round struct {
	SequentialMs float64 `json:"sequentialMs"`
	RandomMs     float64 `json:"randomMs"`
	Sum          uint64  `json:"-"`
}

type pair struct {
	First  round `json:"first"`
	Second round `json:"second"`
}

func main() {
	first := flag.String("first", "", "a path of the file")
	second := flag.String("second", "", "another path of the file")
	rounds := flag.Int("rounds", 21, "measured rounds of either path")
	touches := flag.Int("touches", 1<<20, "random places to read in a round")
	flag.Parse()
	var pairs []pair
	for number := range *rounds + 1 {
		measured, err := compare(*first, *second, *touches, number%2 == 1)
		if err != nil {
			log.Fatal(err)
		}
		if measured.First.Sum != measured.Second.Sum {
			log.Fatalf("%s and %s do not hold the same bytes", *first, *second)
		}
		if number > 0 { // the first round finds caches cold
			pairs = append(pairs, measured)
		}
	}
	if err := measure.Print(pairs); err != nil {
		log.Fatal(err)
	}
}

func compare(first, second string, touches int, secondBefore bool) (result pair, err error) {
	steps := []func() error{
		func() (failure error) { result.First, failure = touch(first, touches); return },
		func() (failure error) { result.Second, failure = touch(second, touches); return },
	}
	if secondBefore {
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return result, err
		}
	}
	return result, nil
}

func touch(path string, touches int) (round, error) {
	file, err := os.Open(path)
	if err != nil {
		return round{}, err
	}
	defer func() { _ = file.Close() }()
	facts, err := file.Stat()
	if err != nil {
		return round{}, err
	}
	if facts.Size() < 4096 {
		return round{}, fmt.Errorf("%s is too small to measure", path)
	}
	begun := time.Now()
	bytes, err := unix.Mmap(int(file.Fd()), 0, int(facts.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return round{}, fmt.Errorf("mmap %s: %w", path, err)
	}
	defer func() { _ = unix.Munmap(bytes) }()
	sum := uint64(0)
	for offset := 0; offset+8 <= len(bytes); offset += 64 {
		sum += binary.LittleEndian.Uint64(bytes[offset:])
	}
	sequential := time.Since(begun)
	begun = time.Now()
	words := uint64(len(bytes) / 8)
	for place := uint64(1); touches > 0; touches-- {
		place = place*6364136223846793005 + 1442695040888963407 // Knuth's MMIX generator
		sum ^= binary.LittleEndian.Uint64(bytes[(place>>11)%words*8:])
	}
	random := time.Since(begun)
	return round{milliseconds(sequential), milliseconds(random), sum}, nil
}

func milliseconds(duration time.Duration) float64 {
	return float64(duration.Nanoseconds()) / 1e6
}
