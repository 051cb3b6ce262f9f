// Everything that kubelet asks of one healthy volume, over and over on the CSI socket, while something else goes wrong.
// Counts what was done and keeps what failed.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { accessModes } from '../../src/csi/protocol.ts';
import type { DrivenNode } from './driven-node.ts';

/** What a publish needs to know of a volume. */
export interface VolumeSource {
  readonly pool: string;
  readonly path: string;
}

/** A request to publish a volume read-only, as kubelet makes it. */
export function publishRequest(volumeId: string, targetPath: string, { pool, path: relative }: VolumeSource) {
  return {
    volumeId,
    targetPath,
    readonly: true,
    volumeCapability: { mount: {}, accessMode: { mode: accessModes.MULTI_NODE_READER_ONLY } },
    volumeContext: { pool, path: relative },
  };
}

export class SteadyCalls {
  readonly failures: string[] = [];
  readonly #driven: DrivenNode;
  readonly #source: VolumeSource;
  readonly #wanted: string;
  readonly #end: Promise<void>;
  #cycles = 0;
  #isOver = false;

  /** Begins. `wanted` is what the file `data` of the volume holds. */
  constructor(driven: DrivenNode, source: VolumeSource, wanted: string) {
    this.#driven = driven;
    this.#source = source;
    this.#wanted = wanted;
    this.#end = this.#run();
  }

  /** How often all of it was done. */
  get cycles(): number {
    return this.#cycles;
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#end;
  }

  async #run(): Promise<void> {
    const target = this.#driven.node.target('steady');
    while (!this.#isOver) {
      try {
        await this.#once(target);
        this.#cycles++;
      } catch (error) {
        this.failures.push(String(error));
      }
    }
  }

  async #once(target: string): Promise<void> {
    const { calls } = this.#driven;
    const volumeId = 'steady';
    await calls.nodePublishVolume(publishRequest(volumeId, target, this.#source));
    const shown = readFileSync(path.join(target, 'data'), 'utf8');
    if (shown !== this.#wanted) throw new Error(`the healthy volume shows ${JSON.stringify(shown)}`);
    await calls.nodeGetVolumeStats({ volumeId, volumePath: target });
    const { volumeHealth } = await calls.nodeGetVolumeHealth({ volumeId, volumePublishPath: target });
    const [ill] = volumeHealth?.healthStatuses ?? [];
    if (ill !== undefined) throw new Error(`the healthy volume is called ill: ${ill.reason} ${ill.message}`);
    await calls.nodeUnpublishVolume({ volumeId, targetPath: target });
  }
}
