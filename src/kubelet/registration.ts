// Makes kubelet know the driver: a socket in its plugins_registry folder, on which kubelet asks who we are and tells
// how the registration went. Knows the CSI socket's path only, nothing of CSI.
import path from 'node:path';
import type { Logger } from '../observe/logger.ts';
import { serviceType } from '../rpc/codec.ts';
import { RpcServer } from '../rpc/server.ts';
import description, { type pluginregistration } from './generated/registration.js';

const service = serviceType<pluginregistration.Registration>(description, 'pluginregistration.Registration');

/** What kubelet calls CSI plugins, and the version of CSI it wants to hear: k8s.io/kubelet, plugin registration v1. */
const pluginType = 'CSIPlugin';
const supportedVersions = ['1.0.0'];

const drainMs = 1000;

export interface RegistrationOptions {
  /** Kubelet's plugins_registry folder. */
  readonly registrationDir: string;
  readonly driverName: string;
  /** The CSI socket as kubelet sees it. */
  readonly endpoint: string;
  readonly logger: Logger;
}

/** How kubelet answered last; undefined before it did. */
export interface RegistrationStatus {
  readonly registered: boolean;
  /** Why kubelet did not take the driver; empty when it did. */
  readonly error: string;
}

/** The driver's registration. Kubelet takes a new socket for a new plugin, so renewing is to go and come back. */
export class KubeletRegistration {
  readonly socketPath: string;
  readonly #options: RegistrationOptions;
  #server: RpcServer | undefined;
  #status: RegistrationStatus | undefined;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    // The name that the registrar sidecar of other drivers uses, so that a person finds what they know.
    this.socketPath = path.join(options.registrationDir, `${options.driverName}-reg.sock`);
  }

  get status(): RegistrationStatus | undefined {
    return this.#status;
  }

  /** Puts the socket where kubelet looks; throws socket-refused when it cannot be put there. */
  async start(): Promise<void> {
    const { driverName, endpoint, logger } = this.#options;
    const server = new RpcServer({ name: 'registration', logger, quietMethods: ['GetInfo'] });
    server.addService(service, {
      getInfo: async () => ({ type: pluginType, name: driverName, endpoint, supportedVersions }),
      notifyRegistrationStatus: async ({ pluginRegistered, error }) => {
        this.#status = { registered: pluginRegistered, error };
        // Kubelet tries again by itself, later and later.
        if (pluginRegistered) logger.info('registered with kubelet', { endpoint });
        else logger.error('kubelet refused the registration', { problem: error });
        return {};
      },
    });
    await server.listen(this.socketPath);
    this.#server = server;
  }

  /** Takes the socket away: kubelet forgets the driver, and what is published stays. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#status = undefined;
    await server?.drain(drainMs);
  }

  /** Registers again, so that kubelet asks for the node's topology again. */
  async renew(): Promise<void> {
    this.#options.logger.info('registering again');
    await this.stop();
    await this.start();
  }
}
