// What zeroing a file of a pool costs at the least: maps it for writing and clears it with one memset, as the Go runtime does for
// a slice. Prints the time of it as JSON.
package main

import (
	"flag"
	"log"
	"os"
	"time"

	"famfs.io/famfs-csi/bench/internal/measure"
	"golang.org/x/sys/unix"
)

type result struct {
	Ms float64 `json:"ms"`
}

func main() {
	name := flag.String("file", "", "the file")
	flag.Parse()
	measured, err := zero(*name)
	if err != nil {
		log.Fatal(err)
	}
	if err := measure.Print(measured); err != nil {
		log.Fatal(err)
	}
}

func zero(name string) (result, error) {
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return result{}, err
	}
	defer func() { _ = file.Close() }()
	facts, err := file.Stat()
	if err != nil {
		return result{}, err
	}
	begun := time.Now()
	bytes, err := unix.Mmap(int(file.Fd()), 0, int(facts.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return result{}, err
	}
	clear(bytes)
	return result{float64(time.Since(begun).Nanoseconds()) / 1e6}, unix.Munmap(bytes)
}
