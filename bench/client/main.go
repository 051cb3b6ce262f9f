// The one client of the benchmark: publishes a volume at a fresh target and unpublishes it, again and again,
// against whichever CSI node server listens on the socket. Prints the figures as JSON.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"famfs.io/famfs-csi/bench/internal/measure"
	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// attributes is a volume context, given as -context key=value, again for each key.
type attributes map[string]string

func (a attributes) String() string { return fmt.Sprint(map[string]string(a)) }

func (a attributes) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return fmt.Errorf("needs key=value, not %q", text)
	}
	a[key] = value
	return nil
}

type sequence struct {
	node    csi.NodeClient
	targets string
	volume  attributes
}

func main() {
	volume := attributes{}
	socket := flag.String("socket", "", "Unix socket of the server")
	targets := flag.String("targets", "", "existing folder for the targets")
	inFlight := flag.Int("in-flight", 1, "cycles that run at a time")
	warmUp := flag.Int("warm-up", 10, "cycles before the measured ones")
	cycles := flag.Int("cycles", 100, "measured cycles")
	publishOnly := flag.String("publish", "", "publish at this target and end")
	unpublishOnly := flag.String("unpublish", "", "unpublish this target and end")
	flag.Var(volume, "context", "key=value of the volume context, again for each")
	flag.Parse()
	connection, err := grpc.NewClient("unix:"+*socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	s := sequence{csi.NewNodeClient(connection), *targets, volume}
	if *publishOnly != "" || *unpublishOnly != "" {
		if err := s.once(*publishOnly, *unpublishOnly); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := s.verify(); err != nil {
		log.Fatal(err)
	}
	result, err := measure.Run(*inFlight, *warmUp, *cycles, s.cycle)
	if err != nil {
		log.Fatal(err)
	}
	if err := measure.Print(result); err != nil {
		log.Fatal(err)
	}
}

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

func (s sequence) publish(volumeID, target string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
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
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := s.node.NodeUnpublishVolume(ctx, &csi.NodeUnpublishVolumeRequest{VolumeId: volumeID, TargetPath: target})
	return err
}
