// The CSI services and enums as the rest of this room uses them, out of the generated module.
import { type Decoded, enumType, serviceType } from '../rpc/codec.ts';
import { parameterDescriptions } from '../volumes/class-parameters.ts';
import { volumeContextKeys } from '../volumes/volume-context.ts';
import description, { type csi } from './generated/csi.js';

export type IdentityService = csi.v1.Identity;
export type NodeService = csi.v1.Node;
export type ControllerService = csi.v1.Controller;

/** What volumes and classes say; whatever else stands in a map of a request may be a token. */
const loggedKeys = new Set<string>([...volumeContextKeys, ...parameterDescriptions.map(({ key }) => key)]);

export const identityService = serviceType<IdentityService>(description, 'csi.v1.Identity', loggedKeys);
export const controllerService = serviceType<ControllerService>(description, 'csi.v1.Controller', loggedKeys);
export const nodeService = serviceType<NodeService>(description, 'csi.v1.Node', loggedKeys);

export type CreateVolumeRequest = Decoded<csi.v1.CreateVolumeRequest>;
export type Topology = Decoded<csi.v1.Topology>;
export type NodePublishVolumeRequest = Decoded<csi.v1.NodePublishVolumeRequest>;
export type VolumeCapability = Decoded<csi.v1.VolumeCapability>;

export const accessModes = enumType<typeof csi.v1.VolumeCapability.AccessMode.Mode>(
  description,
  'csi.v1.VolumeCapability.AccessMode.Mode',
);
export const pluginCapabilities = enumType<typeof csi.v1.PluginCapability.Service.Type>(
  description,
  'csi.v1.PluginCapability.Service.Type',
);
export const nodeCapabilities = enumType<typeof csi.v1.NodeServiceCapability.RPC.Type>(
  description,
  'csi.v1.NodeServiceCapability.RPC.Type',
);
export const controllerCapabilities = enumType<typeof csi.v1.ControllerServiceCapability.RPC.Type>(
  description,
  'csi.v1.ControllerServiceCapability.RPC.Type',
);
export const usageUnits = enumType<typeof csi.v1.VolumeUsage.Unit>(description, 'csi.v1.VolumeUsage.Unit');
export const volumeHealthTypes = enumType<typeof csi.v1.VolumeHealthErrorType>(
  description,
  'csi.v1.VolumeHealthErrorType',
);
export const storageHealthTypes = enumType<typeof csi.v1.StorageHealthErrorType>(
  description,
  'csi.v1.StorageHealthErrorType',
);
