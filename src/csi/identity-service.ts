// The CSI Identity service: who the driver is, what it offers, whether it works.
import { constantMessage } from '../rpc/constant-message.ts';
import type { Handlers } from '../rpc/server.ts';
import { type IdentityService, pluginCapabilities } from './protocol.ts';

export interface IdentityOptions {
  readonly driverName: string;
  readonly version: string;
  /** Whether it can do its work; false while it is still finding out. @throws {DriverError} when something is missing */
  readonly probe: () => boolean;
}

/**
 * Handlers of the Identity service. What the plugin can do is the same answer from every instance of it, of whatever role
 * (CSI specification, GetPluginCapabilities).
 */
export function identityHandlers(options: IdentityOptions): Handlers<IdentityService> {
  const { driverName, version, probe } = options;
  const { CONTROLLER_SERVICE, VOLUME_ACCESSIBILITY_CONSTRAINTS } = pluginCapabilities;
  const types = [CONTROLLER_SERVICE, VOLUME_ACCESSIBILITY_CONSTRAINTS];
  const capabilities = constantMessage({ capabilities: types.map((type) => ({ service: { type } })) });
  const info = constantMessage({
    name: driverName,
    vendorVersion: version,
    manifest: { specification: 'CSI 1.13.0' },
  });
  return {
    getPluginInfo: async () => info,
    getPluginCapabilities: async () => capabilities,
    probe: async () => ({ ready: { value: probe() } }),
  };
}
