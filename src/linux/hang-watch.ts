// Decides when somebody who gives signs of life has hung: after a time without any, and later on a machine that is so busy
// that they, or those they wait for, have had no processor.
import type { ProcessorDemand } from './processor-demand.ts';

export interface HangWatchOptions {
  /** Without a sign of life for so long, and nobody concerned gets on: hung. */
  readonly silenceMs: number;
  /** What those concerned have had and want of the processors; undefined when that cannot be known. */
  readonly demand: () => ProcessorDemand | undefined;
  /** Called once. */
  readonly onHang: (silentMs: number) => void;
}

/** So many times the silence is waited for while those concerned get on, or want to. */
const busyFactor = 3;
/** A silence is looked at this often; those that got on in its last part are not taken for hung. */
const looksInSilence = 2;

/** Watches from its making until `stop` or a hang. */
export class HangWatch {
  readonly #options: HangWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #looks = 0;
  #last: ProcessorDemand | undefined;

  constructor(options: HangWatchOptions) {
    this.#options = options;
    this.#timer = setTimeout(() => this.#look(), options.silenceMs / looksInSilence);
  }

  /** A sign of life: the silence begins anew. */
  alive(): void {
    this.#looks = 0;
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    const before = this.#last;
    this.#last = this.#options.demand();
    this.#looks++;
    const isOver = this.#looks >= looksInSilence * busyFactor;
    if (isOver || (this.#looks >= looksInSilence && isAtRest(before, this.#last))) {
      this.#options.onHang((this.#looks * this.#options.silenceMs) / looksInSilence);
    } else {
      this.#timer.refresh();
    }
  }
}

function isAtRest(before: ProcessorDemand | undefined, now: ProcessorDemand | undefined): boolean {
  if (before === undefined || now === undefined) return false;
  return !before.wantsProcessor && !now.wantsProcessor && before.spentNs === now.spentNs;
}
