// What a pod would wait for if its data were copied: copies a file, then reads the first byte of the copy through a
// mapping. Prints the time of it as JSON; the copy is removed.
package main

import (
	"flag"
	"io"
	"log"
	"os"
	"time"

	"famfs.io/famfs-csi/bench/internal/measure"
	"golang.org/x/sys/unix"
)

type result struct {
	Ms        float64 `json:"ms"`
	FirstByte byte    `json:"-"`
}

func main() {
	from := flag.String("from", "", "the file")
	to := flag.String("to", "", "the copy, which must not be there yet")
	flag.Parse()
	measured, err := copyAndRead(*from, *to)
	if failure := os.Remove(*to); err == nil {
		err = failure
	}
	if err != nil {
		log.Fatal(err)
	}
	if err := measure.Print(measured); err != nil {
		log.Fatal(err)
	}
}

func copyAndRead(from, to string) (result, error) {
	begun := time.Now()
	source, err := os.Open(from)
	if err != nil {
		return result{}, err
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return result{}, err
	}
	defer func() { _ = target.Close() }()
	// Bare files would be copied by copy_file_range, which these file systems refuse, and then through 32 KiB at a time.
	reader, writer := struct{ io.Reader }{source}, struct{ io.Writer }{target}
	size, err := io.CopyBuffer(writer, reader, make([]byte, 1<<20))
	if err != nil {
		return result{}, err
	}
	bytes, err := unix.Mmap(int(target.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return result{}, err
	}
	first := bytes[0]
	return result{float64(time.Since(begun).Nanoseconds()) / 1e6, first}, unix.Munmap(bytes)
}
