// The CSI Identity service: who the driver is, what it offers, whether it works.
import type { MounterView } from '../mounter/client.ts';
import type { Handlers } from '../rpc/server.ts';
import { type IdentityService, pluginCapabilities } from './protocol.ts';
import { probe } from './readiness.ts';

export interface IdentityOptions {
  readonly driverName: string;
  readonly version: string;
  /** Volumes can be provisioned: the same answer from every instance of the driver. */
  readonly hasController: boolean;
  /** What is known of the mounter now. */
  readonly view: () => MounterView;
}

/** Handlers of the Identity service. */
export function identityHandlers(options: IdentityOptions): Handlers<IdentityService> {
  const { driverName, version, view, hasController } = options;
  const { CONTROLLER_SERVICE, VOLUME_ACCESSIBILITY_CONSTRAINTS } = pluginCapabilities;
  const types = [...(hasController ? [CONTROLLER_SERVICE] : []), VOLUME_ACCESSIBILITY_CONSTRAINTS];
  return {
    getPluginInfo: async () => ({
      name: driverName,
      vendorVersion: version,
      manifest: { specification: 'CSI 1.13.0' },
    }),
    getPluginCapabilities: async () => ({
      capabilities: types.map((type) => ({ service: { type } })),
    }),
    probe: async () => ({ ready: { value: probe(view()) } }),
  };
}
