// Which status codes CSI 1.13 lets each call end with: spec.md, "Error Scheme" and the table of errors of each call.

/** What every call may end with: its work is done, or its request is not one it takes. */
const always = ['OK', 'INVALID_ARGUMENT'];
/** A call that changes something may find another one at the same volume or target. */
const changing = [...always, 'ABORTED'];
/** A call that the driver does not offer; its request may be found malformed before that. */
const notOffered = ['UNIMPLEMENTED', 'INVALID_ARGUMENT'];

/** By the names of the calls of Identity and Node, as this driver's capabilities are. */
export const allowedCodes: Readonly<Record<string, readonly string[]>> = {
  GetPluginInfo: always,
  GetPluginCapabilities: always,
  Probe: [...always, 'FAILED_PRECONDITION'],
  NodeStageVolume: notOffered,
  NodeUnstageVolume: notOffered,
  NodePublishVolume: [...changing, 'NOT_FOUND', 'ALREADY_EXISTS', 'FAILED_PRECONDITION'],
  // The specification has no code for a target that cannot be reached by plain directories, or is in use.
  NodeUnpublishVolume: [...changing, 'NOT_FOUND', 'FAILED_PRECONDITION'],
  NodeGetVolumeStats: [...always, 'NOT_FOUND'],
  NodeGetVolumeHealth: [...always, 'NOT_FOUND'],
  NodeGetStorageHealth: always,
  NodeExpandVolume: notOffered,
  NodeGetCapabilities: always,
  NodeGetInfo: always,
};

/** By the names of the calls of Controller, likewise. */
const controllerCodes: Readonly<Record<string, readonly string[]>> = {
  // NOT_FOUND is of a source there; here it is of a pool that the class names.
  CreateVolume: [...changing, 'NOT_FOUND', 'ALREADY_EXISTS', 'RESOURCE_EXHAUSTED', 'OUT_OF_RANGE'],
  DeleteVolume: [...changing, 'FAILED_PRECONDITION'],
  ControllerPublishVolume: notOffered,
  ControllerUnpublishVolume: notOffered,
  ValidateVolumeCapabilities: [...always, 'NOT_FOUND'],
  // ABORTED is of a token that nobody gave out.
  ListVolumes: [...always, 'ABORTED'],
  ControllerListVolumeHealth: [...always, 'ABORTED'],
  ControllerGetVolumeHealth: [...always, 'NOT_FOUND'],
  ControllerGetVolume: [...always, 'NOT_FOUND'],
  ControllerModifyVolume: notOffered,
  GetCapacity: always,
  ControllerGetCapabilities: always,
  CreateSnapshot: notOffered,
  DeleteSnapshot: notOffered,
  ListSnapshots: notOffered,
  GetSnapshot: notOffered,
  ControllerExpandVolume: notOffered,
};

/** The codes of a call to the node plugin; of one that it does not serve, only that. */
export function codesOfNode(rpc: string): readonly string[] {
  return allowedCodes[methodOf(rpc)] ?? ['UNIMPLEMENTED'];
}

/** The codes of a call to a process that serves Identity, Controller and Node. */
export function codesOfHost(rpc: string): readonly string[] {
  return controllerCodes[methodOf(rpc)] ?? codesOfNode(rpc);
}

function methodOf(rpc: string): string {
  return rpc.slice(rpc.lastIndexOf('/') + 1);
}
