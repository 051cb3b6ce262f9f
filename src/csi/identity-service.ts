// The CSI Identity service: who the driver is, what it offers, whether it works.
import type { MounterView } from '../mounter/client.ts';
import type { Handlers } from '../rpc/server.ts';
import { type IdentityService, pluginCapabilities } from './protocol.ts';
import { probe } from './readiness.ts';

export interface IdentityOptions {
  readonly driverName: string;
  readonly version: string;
  /** What is known of the mounter now. */
  readonly view: () => MounterView;
}

/** Handlers of the Identity service. */
export function identityHandlers({ driverName, version, view }: IdentityOptions): Handlers<IdentityService> {
  return {
    getPluginInfo: async () => ({
      name: driverName,
      vendorVersion: version,
      manifest: { specification: 'CSI 1.13.0' },
    }),
    getPluginCapabilities: async () => ({
      capabilities: [{ service: { type: pluginCapabilities.VOLUME_ACCESSIBILITY_CONSTRAINTS } }],
    }),
    probe: async () => ({ ready: { value: probe(view()) } }),
  };
}
