// The floor of the benchmark: the bare system calls that any publish and unpublish come down to, without a server,
// a check or an answer. mkdir, open_tree, mount_setattr and move_mount; then umount2 and rmdir.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"famfs.io/famfs-csi/bench/internal/measure"
	"golang.org/x/sys/unix"
)

func main() {
	source := flag.String("source", "", "directory to bind")
	targets := flag.String("targets", "", "existing folder for the targets")
	inFlight := flag.Int("in-flight", 1, "cycles that run at a time")
	warmUp := flag.Int("warm-up", 10, "cycles before the measured ones")
	cycles := flag.Int("cycles", 100, "measured cycles")
	flag.Parse()
	result, err := measure.Run(*inFlight, *warmUp, *cycles, func(number int) (time.Duration, error) {
		target := filepath.Join(*targets, fmt.Sprintf("raw-%d-%d", os.Getpid(), number))
		begun := time.Now()
		if err := bind(*source, target); err != nil {
			return 0, err
		}
		return time.Since(begun), unbind(target)
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := measure.Print(result); err != nil {
		log.Fatal(err)
	}
}

func bind(source, target string) error {
	if err := unix.Mkdir(target, 0o750); err != nil {
		return fmt.Errorf("mkdir: %w", err)
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open_tree: %w", err)
	}
	defer func() { _ = unix.Close(tree) }()
	attributes := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID |
		unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attributes); err != nil {
		return fmt.Errorf("mount_setattr: %w", err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	return nil
}

func unbind(target string) error {
	if err := unix.Unmount(target, unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("umount2: %w", err)
	}
	return unix.Rmdir(target)
}
