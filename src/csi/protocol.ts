// The CSI services and enums as the rest of this room uses them, out of the generated module.
import { type Decoded, enumType, serviceType } from '../rpc/codec.ts';
import { parameterDescriptions } from '../volumes/class-parameters.ts';
import { volumeContextKeys } from '../volumes/volume-context.ts';
import root, { type csi } from './generated/csi.js';

export type IdentityService = csi.v1.Identity;
export type NodeService = csi.v1.Node;
export type ControllerService = csi.v1.Controller;

/** What volumes and classes say; whatever else stands in a map of a request may be a token. */
const loggedKeys = new Set<string>([...volumeContextKeys, ...parameterDescriptions.map(({ key }) => key)]);

export const identityService = serviceType<IdentityService>(root, 'csi.v1.Identity', loggedKeys);
export const controllerService = serviceType<ControllerService>(root, 'csi.v1.Controller', loggedKeys);
export const nodeService = serviceType<NodeService>(root, 'csi.v1.Node', loggedKeys);

export type CreateVolumeRequest = Decoded<csi.v1.CreateVolumeRequest>;
export type Topology = Decoded<csi.v1.Topology>;
export type NodePublishVolumeRequest = Decoded<csi.v1.NodePublishVolumeRequest>;
export type VolumeCapability = Decoded<csi.v1.VolumeCapability>;

export const accessModes = enumType<typeof csi.v1.VolumeCapability.AccessMode.Mode>(
  root,
  'csi.v1.VolumeCapability.AccessMode.Mode',
);
export const pluginCapabilities = enumType<typeof csi.v1.PluginCapability.Service.Type>(
  root,
  'csi.v1.PluginCapability.Service.Type',
);
export const nodeCapabilities = enumType<typeof csi.v1.NodeServiceCapability.RPC.Type>(
  root,
  'csi.v1.NodeServiceCapability.RPC.Type',
);
export const controllerCapabilities = enumType<typeof csi.v1.ControllerServiceCapability.RPC.Type>(
  root,
  'csi.v1.ControllerServiceCapability.RPC.Type',
);
export const usageUnits = enumType<typeof csi.v1.VolumeUsage.Unit>(root, 'csi.v1.VolumeUsage.Unit');
export const volumeHealthTypes = enumType<typeof csi.v1.VolumeHealthErrorType>(
  root,
  'csi.v1.VolumeHealthErrorType',
);
export const storageHealthTypes = enumType<typeof csi.v1.StorageHealthErrorType>(
  root,
  'csi.v1.StorageHealthErrorType',
);
