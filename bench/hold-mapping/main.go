// Stands for a pod that uses its data: maps a file, reads a byte of every page of it, says so in one line, and keeps
// the mapping until its standard input ends.
package main

import (
	"fmt"
	"io"
	"log"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("needs one argument: the file")
	}
	file, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	facts, err := file.Stat()
	if err != nil {
		log.Fatal(err)
	}
	bytes, err := unix.Mmap(int(file.Fd()), 0, int(facts.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		log.Fatal(err)
	}
	sum := 0
	for offset := 0; offset < len(bytes); offset += os.Getpagesize() {
		sum += int(bytes[offset])
	}
	fmt.Println("mapped", len(bytes), sum)
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		log.Fatal(err)
	}
}
