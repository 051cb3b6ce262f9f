// What a node has to answer to a publish or an unpublish, and what is there afterwards: the rules of the specification and
// of the driver in their simplest form. Knows nothing of how the driver keeps them, and touches nothing.
import type { Reason } from '../../src/errors.ts';

/** What a call is answered: that it was done, why not, or something that no rule knows. */
export type Answer = 'ok' | Reason | `unknown: ${string}`;

/** In each pool: two directories that are always there, one that its master makes in the course of a sequence, and a file. */
export type PathName = 'base' | 'other' | 'late' | 'file';

/** How a volume is published: what two publishes of it at one target can differ in. */
export interface Way {
  readonly path: PathName;
  readonly writable: boolean;
  readonly allowExec: boolean;
  /** The access mode allows the volume one target on this node. */
  readonly soleTarget: boolean;
}

/** A volume at a target, both by their number. */
export interface Place {
  readonly volume: number;
  readonly target: number;
}

export interface Order extends Place {
  readonly way: Way;
}

export const poolCount = 2;
export const volumeCount = 3;
export const targetCount = 3;

/** The pool that a volume lies in. */
export function poolOf(volume: number): number {
  return volume === 0 ? 0 : 1;
}

/** What is where, as far as anybody can tell by the answers. */
export interface Model {
  /** By target. */
  readonly binds: Map<number, Order>;
  /** Pools whose daemon has died and that still have binds. */
  readonly dead: Set<number>;
  /** Pools whose master has made the late directory. */
  readonly made: Set<number>;
}

export function newModel(): Model {
  return { binds: new Map(), dead: new Set(), made: new Set() };
}

export interface Rules {
  publish(model: Model, order: Order): Answer;
  unpublish(model: Model, place: Place): Answer;
}

export const rules: Rules = {
  publish(model, order) {
    const { volume, target, way } = order;
    const others = [...model.binds.values()].filter(
      (bind) => bind.volume === volume && bind.target !== target,
    );
    if (others.some((other) => way.soleTarget || other.way.soleTarget)) return 'second-target-refused';
    const pool = poolOf(volume);
    if (model.dead.has(pool)) return 'pool-dead';
    if (way.path === 'file') return 'path-not-directory';
    if (way.path === 'late' && !model.made.has(pool)) return 'path-not-found';
    const there = model.binds.get(target);
    return there === undefined || isSame(there, order) ? 'ok' : 'already-published';
  },

  unpublish(model, { volume, target }) {
    const there = model.binds.get(target);
    return there === undefined || there.volume === volume ? 'ok' : 'not-published';
  },
};

function isSame(a: Order, b: Order): boolean {
  return (
    a.volume === b.volume &&
    a.way.path === b.way.path &&
    a.way.writable === b.way.writable &&
    a.way.allowExec === b.way.allowExec &&
    a.way.soleTarget === b.way.soleTarget
  );
}

/** Whether a pool has a bind. */
export function isUsed(model: Model, pool: number): boolean {
  return [...model.binds.values()].some(({ volume }) => poolOf(volume) === pool);
}
