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

/** The codes of a call; of one that is not served here, only that. */
export function codesOf(rpc: string): readonly string[] {
  return allowedCodes[rpc.slice(rpc.lastIndexOf('/') + 1)] ?? ['UNIMPLEMENTED'];
}
