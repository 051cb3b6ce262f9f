package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
)

// sequence is calls to a node server for one volume context, at targets below one folder.
type sequence struct {
	node    csi.NodeClient
	targets string
	volume  attributes
}

const callTimeout = 60 * time.Second

// cycle publishes and unpublishes one volume; first is the time of the publish.
func (s sequence) cycle(number int) (first time.Duration, err error) {
	volumeID, target := s.names(number)
	begun := time.Now()
	if err := s.publish(volumeID, target); err != nil {
		return 0, err
	}
	first = time.Since(begun)
	return first, s.unpublish(volumeID, target)
}

// ready publishes, maps the file "data" by the published path and reads its first byte, which is where first ends;
// then it unpublishes.
func (s sequence) ready(number int) (first time.Duration, err error) {
	volumeID, target := s.names(number)
	begun := time.Now()
	if err := s.publish(volumeID, target); err != nil {
		return 0, err
	}
	bytes, err := mapWhole(filepath.Join(target, "data"))
	if err != nil {
		return 0, err
	}
	firstByte = bytes[0]
	first = time.Since(begun)
	if err := unix.Munmap(bytes); err != nil {
		return 0, err
	}
	return first, s.unpublish(volumeID, target)
}

// firstByte is where a byte goes that only has to be read.
var firstByte byte

// capabilities makes the call that does nothing.
func (s sequence) capabilities(int) (first time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	begun := time.Now()
	answer, err := s.node.NodeGetCapabilities(ctx, &csi.NodeGetCapabilitiesRequest{})
	if err == nil && len(answer.GetCapabilities()) != 4 {
		err = fmt.Errorf("the server names %d capabilities; to compare, all have to name 4", len(answer.GetCapabilities()))
	}
	return time.Since(begun), err
}

func (s sequence) publishAndLeave(number int) (first time.Duration, err error) {
	volumeID, target := s.lasting(number)
	begun := time.Now()
	err = s.publish(volumeID, target)
	return time.Since(begun), err
}

func (s sequence) unpublishLeft(number int) (first time.Duration, err error) {
	volumeID, target := s.lasting(number)
	begun := time.Now()
	err = s.unpublish(volumeID, target)
	return time.Since(begun), err
}

// verify makes sure, once and unmeasured, that the server does what is going to be measured: a mount that is
// read-only and shows something, and nothing at all afterwards.
func (s sequence) verify() error {
	volumeID, target := s.names(-1)
	if err := s.publish(volumeID, target); err != nil {
		return err
	}
	var facts unix.Statfs_t
	if err := unix.Statfs(target, &facts); err != nil {
		return err
	}
	entries, err := os.ReadDir(target)
	if err != nil {
		return err
	}
	if facts.Flags&unix.ST_RDONLY == 0 || len(entries) == 0 {
		return fmt.Errorf("%s is not a read-only mount of a directory with files", target)
	}
	if err := s.unpublish(volumeID, target); err != nil {
		return err
	}
	if _, err := os.Lstat(target); !os.IsNotExist(err) {
		return fmt.Errorf("%s is still there after it was unpublished (%v)", target, err)
	}
	return nil
}

// once publishes or unpublishes a single target, for benchmarks that look at what is published.
func (s sequence) once(publish, unpublish string) error {
	if publish != "" {
		return s.publish("bench-"+filepath.Base(publish), publish)
	}
	return s.unpublish("bench-"+filepath.Base(unpublish), unpublish)
}

// names are fresh for every cycle of every process, as pods are to a node.
func (s sequence) names(number int) (volumeID, target string) {
	volumeID = fmt.Sprintf("bench-%d-%d", os.Getpid(), number+1)
	return volumeID, filepath.Join(s.targets, volumeID)
}

// lasting are names that another process of this client finds again, and whoever looks into the targets.
func (s sequence) lasting(number int) (volumeID, target string) {
	name := fmt.Sprintf("lasting-%d", number)
	return fmt.Sprintf("bench-%s-%s", filepath.Base(s.targets), name), filepath.Join(s.targets, name)
}

func (s sequence) publish(volumeID, target string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	_, err := s.node.NodePublishVolume(ctx, &csi.NodePublishVolumeRequest{
		VolumeId:   volumeID,
		TargetPath: target,
		Readonly:   true,
		VolumeCapability: &csi.VolumeCapability{
			AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}},
			AccessMode: &csi.VolumeCapability_AccessMode{
				Mode: csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY,
			},
		},
		VolumeContext: s.volume,
	})
	return err
}

func (s sequence) unpublish(volumeID, target string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	_, err := s.node.NodeUnpublishVolume(ctx, &csi.NodeUnpublishVolumeRequest{VolumeId: volumeID, TargetPath: target})
	return err
}

func mapWhole(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	facts, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return unix.Mmap(int(file.Fd()), 0, int(facts.Size()), unix.PROT_READ, unix.MAP_SHARED)
}
