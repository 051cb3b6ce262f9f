// The mounter's protocol in frames on a socket of its own, with a client: for tests of either end. One for each test; close it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { famfs } from '../src/mounter/generated/mounter.js';
import description from '../src/mounter/generated/mounter.js';
import { silentLogger } from '../src/observe/logger.ts';
import type { ClientOptions, RpcClient } from '../src/rpc/client.ts';
import { serviceType } from '../src/rpc/codec.ts';
import { createFrameClient } from '../src/rpc/frame-client.ts';
import { FrameServer } from '../src/rpc/frame-server.ts';
import type { Handlers } from '../src/rpc/server.ts';
import { unofferedMounter } from './unoffered-mounter.ts';

type Mounter = famfs.mounter.v1.Mounter;
const mounter = serviceType<Mounter>(description, 'famfs.mounter.v1.Mounter');

export class ServedFrames {
  readonly socketPath: string;
  readonly client: RpcClient<Mounter>;
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'frames-'));
  readonly #clients: { close(): void }[] = [];
  #server: FrameServer | undefined;

  constructor() {
    this.socketPath = path.join(this.#folder, 's');
    this.client = this.connect();
  }

  /** The server of the last `serve`. */
  get server(): FrameServer {
    if (this.#server === undefined) throw new Error('nothing has been served yet');
    return this.#server;
  }

  /** Another client. */
  connect(options: Partial<ClientOptions> = {}): RpcClient<Mounter> {
    const made = createFrameClient(mounter, this.socketPath, {
      ...{ name: 'the mounter', unavailableReason: 'mounter-unavailable', ...options },
    });
    this.#clients.push(made);
    return made;
  }

  /** Begins to serve these verbs; all others refuse. */
  async serve(handlers: Partial<Handlers<Mounter>>, options = {}): Promise<void> {
    this.#server = new FrameServer({ name: 'test', logger: silentLogger, ...options });
    this.#server.addService(mounter, { ...unofferedMounter, ...handlers });
    await this.#server.listen(this.socketPath);
  }

  /** Closes something else with the clients. */
  alsoClose(other: { close(): void }): void {
    this.#clients.push(other);
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#server?.drain(0);
    rmSync(this.#folder, { recursive: true });
  }
}
