// What this process wrote and a cache has not shown yet: a watch tells a moment later, and whoever wrote must not read the
// past meanwhile. Knows no kind, and asks nobody.
import type { ApiObject } from './api-object.ts';

interface Write<T> {
  /** As it was answered; undefined: removed. */
  readonly object: T | undefined;
  /** Which life of the name, and which version of it. */
  readonly uid: string | undefined;
  readonly version: string | undefined;
  readonly atMs: number;
}

/** How long a write that the cache does not show is believed without a question to the API server. */
const trustMs = 2_000;

export class OwnWrites<T extends ApiObject> {
  readonly #writes = new Map<string, Write<T>>();
  readonly #now: () => number;

  /** @param now milliseconds of a steady clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** What the API server answered to a write, or to a question. */
  wrote(object: T): void {
    this.#note(object, object);
  }

  /** The object was removed, in this version of it. */
  removed(object: T): void {
    this.#note(object, undefined);
  }

  /** What was written last, and not forgotten since; undefined also when that was a removal. */
  written(name: string): T | undefined {
    return this.#writes.get(name)?.object;
  }

  /** There is nothing to remember of the name; `known` is what was written when that was asked. */
  forget(name: string, known: T | undefined): void {
    if (this.written(name) === known) this.#writes.delete(name);
  }

  /** The newer of what the cache has and what was written. */
  newest(name: string, cached: T | undefined): T | undefined {
    const write = this.#writes.get(name);
    if (write === undefined) return cached;
    const isOver = cached === undefined ? write.object === undefined : this.#showsWrite(cached, write);
    if (!isOver) return write.object;
    this.#writes.delete(name);
    return cached;
  }

  /** Names of what was written, shown by the cache or not. */
  names(): readonly string[] {
    return [...this.#writes.keys()];
  }

  /** Whether the cache ought to have shown the write long ago: somebody else may have changed or removed it since. */
  isDoubtful(name: string): boolean {
    const write = this.#writes.get(name);
    return write !== undefined && this.#now() - write.atMs > trustMs;
  }

  #note({ metadata }: T, object: T | undefined): void {
    const { name, uid, resourceVersion: version } = metadata;
    const before = this.#writes.get(name);
    // Answers may overtake each other, and what was removed does not come back.
    const isLate =
      before !== undefined &&
      (!isAsNew(version, before.version) || (before.object === undefined && before.uid === uid));
    if (isLate) return;
    this.#writes.set(name, { object, uid, version, atMs: this.#now() });
  }

  /** Whether the cache has the write, or something later. Of what was removed, every version of that life is earlier. */
  #showsWrite({ metadata }: T, { object, uid, version }: Write<T>): boolean {
    if (object === undefined && metadata.uid === uid) return false;
    return isAsNew(metadata.resourceVersion, version);
  }
}

/** Versions are numbers that grow (Kubernetes API concepts, "Resource versions": comparable since 1.35, and before in fact). */
function isAsNew(version: string | undefined, other: string | undefined): boolean {
  const isNumber = (text: string | undefined): text is string => /^\d{1,20}$/.test(text ?? '');
  if (!isNumber(version) || !isNumber(other)) return true;
  return BigInt(version) >= BigInt(other);
}
