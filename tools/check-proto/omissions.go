package main

// csiOmissions are the definitions of the specification that our csi.proto leaves out: snapshots of groups of
// volumes and metadata of snapshots, neither of which famfs can offer. Everything else has to be there.
var csiOmissions = []string{
	"enum BlockMetadataType",
	"message BlockMetadata",
	"message CreateVolumeGroupSnapshotRequest",
	"message CreateVolumeGroupSnapshotResponse",
	"message DeleteVolumeGroupSnapshotRequest",
	"message DeleteVolumeGroupSnapshotResponse",
	"message GetMetadataAllocatedRequest",
	"message GetMetadataAllocatedResponse",
	"message GetMetadataDeltaRequest",
	"message GetMetadataDeltaResponse",
	"message GetVolumeGroupSnapshotRequest",
	"message GetVolumeGroupSnapshotResponse",
	"message GroupControllerGetCapabilitiesRequest",
	"message GroupControllerGetCapabilitiesResponse",
	"message GroupControllerServiceCapability",
	"message VolumeGroupSnapshot",
	"service GroupController",
	"service SnapshotMetadata",
}
