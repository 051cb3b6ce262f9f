// Registers the driver once the node's topology is known, and again when it changed, has settled, and no call runs.
// Knows keys as text and calls as a number; registering interrupts kubelet's use of the driver, so it is rare.
import type { Logger } from '../observe/logger.ts';

/** What is to be registered: KubeletRegistration, or a stand-in. */
export interface Registrar {
  start(): Promise<void>;
  stop(): Promise<void>;
  renew(): Promise<void>;
}

export interface TopologyRegistrationOptions {
  readonly registrar: Registrar;
  /** The topology keys of the node; undefined while they are not known. */
  readonly keys: () => readonly string[] | undefined;
  /** Calls of kubelet that are running. */
  readonly callsInFlight: () => number;
  readonly settleMs: number;
  readonly logger: Logger;
}

const retryMs = 5000;
const idlePollMs = 200;

/** Keeps kubelet's view of the node's topology right. */
export class TopologyRegistration {
  readonly #options: TopologyRegistrationOptions;
  #registeredKeys: string | undefined;
  #waitingFor: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: TopologyRegistrationOptions) {
    this.#options = options;
  }

  /** To be called whenever the topology may have changed. The first known one is registered at once. */
  check(): void {
    const keys = this.#options.keys()?.join('\n');
    if (this.#stopped || keys === undefined) return;
    if (keys === this.#registeredKeys) this.#wait(undefined, 0);
    else if (keys !== this.#waitingFor) {
      this.#wait(keys, this.#registeredKeys === undefined ? 0 : this.#options.settleMs);
    }
  }

  /** Takes the registration away; nothing is registered any more when it settles. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wait(undefined, 0);
    await this.#working;
    await this.#options.registrar.stop();
  }

  #wait(keys: string | undefined, delayMs: number): void {
    clearTimeout(this.#timer);
    this.#waitingFor = keys;
    if (keys === undefined) return;
    this.#timer = setTimeout(() => {
      this.#working = this.#working.then(() => this.#register(keys));
    }, delayMs);
  }

  async #register(keys: string): Promise<void> {
    const { registrar, callsInFlight, logger } = this.#options;
    // What was waited for may have changed back meanwhile.
    if (this.#stopped || this.#waitingFor !== keys) return;
    if (this.#registeredKeys !== undefined && callsInFlight() > 0) {
      this.#wait(keys, idlePollMs);
      return;
    }
    try {
      await (this.#registeredKeys === undefined ? registrar.start() : registrar.renew());
      this.#registeredKeys = keys;
      this.#waitingFor = undefined;
      this.check();
    } catch (error) {
      logger.error('the driver cannot be registered with kubelet', { error });
      this.#registeredKeys = undefined;
      this.#wait(keys, retryMs);
    }
  }
}
