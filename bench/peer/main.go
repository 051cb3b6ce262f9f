// The reference peer of the benchmark: a CSI node plugin as one writes it in Go. grpc-go serves it, and unmodified
// k8s.io/mount-utils does the mounting with the calls that the NFS and host-path drivers make. It publishes the
// directory that the volume context names, read-only, and does nothing else.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	mount "k8s.io/mount-utils"
)

type identityServer struct {
	csi.UnimplementedIdentityServer
}

func (identityServer) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: "reference-peer.famfs.io", VendorVersion: "1"}, nil
}

func (identityServer) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

type nodeServer struct {
	csi.UnimplementedNodeServer
	mounter mount.Interface
	// Targets that a call works on: a second call for one of them is told to come back.
	busy sync.Map
}

func (n *nodeServer) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	target, source := request.GetTargetPath(), request.GetVolumeContext()["source"]
	if request.GetVolumeId() == "" || target == "" || source == "" || request.GetVolumeCapability() == nil {
		return nil, status.Error(codes.InvalidArgument, "volume id, target path, capability and source are needed")
	}
	if _, taken := n.busy.LoadOrStore(target, true); taken {
		return nil, status.Errorf(codes.Aborted, "another call works on %s", target)
	}
	defer n.busy.Delete(target)
	notMounted, err := n.mounter.IsLikelyNotMountPoint(target)
	if os.IsNotExist(err) {
		notMounted, err = true, os.MkdirAll(target, 0o750)
	}
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if !notMounted {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	options := []string{"bind"}
	if request.GetReadonly() {
		options = append(options, "ro")
	}
	if err := n.mounter.Mount(source, target, "", options); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (n *nodeServer) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	target := request.GetTargetPath()
	if request.GetVolumeId() == "" || target == "" {
		return nil, status.Error(codes.InvalidArgument, "volume id and target path are needed")
	}
	if _, taken := n.busy.LoadOrStore(target, true); taken {
		return nil, status.Errorf(codes.Aborted, "another call works on %s", target)
	}
	defer n.busy.Delete(target)
	if err := mount.CleanupMountPoint(target, n.mounter, true); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// NodeGetCapabilities names what the driver names, so that both write the same answer.
func (n *nodeServer) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	answer := &csi.NodeGetCapabilitiesResponse{}
	for _, capability := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
		csi.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
		csi.NodeServiceCapability_RPC_GET_VOLUME_HEALTH,
		csi.NodeServiceCapability_RPC_GET_STORAGE_HEALTH,
	} {
		rpc := &csi.NodeServiceCapability_RPC{Type: capability}
		answer.Capabilities = append(answer.Capabilities, &csi.NodeServiceCapability{
			Type: &csi.NodeServiceCapability_Rpc{Rpc: rpc},
		})
	}
	return answer, nil
}

func main() {
	socket := flag.String("socket", "", "Unix socket to serve on")
	flag.Parse()
	listener, err := net.Listen("unix", *socket)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, identityServer{})
	// Go drivers run in containers, which have no systemd: without this they would be slower on a host that has.
	csi.RegisterNodeServer(server, &nodeServer{mounter: mount.NewWithoutSystemd("")})
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ended, server.GracefulStop)
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
