// What the watch of an API server shows late: told by hand here. That the finalizer keeps a pool is tried in
// test/reconcilers.api.test.ts.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { poolUuid, ToldCache } from '../../test/cluster-objects.ts';
import { DriverError } from '../errors.ts';
import type { ApiObject } from './api-object.ts';
import type { FamfsPool } from './famfs-pool.ts';
import { holdPool, poolFinalizer } from './pool-finalizer.ts';

type Finalizers = readonly string[];

/** A FamfsPool whose every write shows in the cache only when the next one is refused for it. */
class LatePool {
  readonly famfsPools = new ToldCache<FamfsPool>();
  readonly written: Finalizers[] = [];
  #version = 1;

  readonly client = {
    mergePatch: async <T extends ApiObject>(_: unknown, __: string, patch: object): Promise<T> => {
      const { metadata } = patch as { metadata: { resourceVersion: string; finalizers: Finalizers } };
      if (metadata.resourceVersion !== String(this.#version)) {
        this.show({ finalizers: ['example.com/other'] });
        throw new DriverError('record-conflict', 'changed meanwhile');
      }
      this.written.push(metadata.finalizers);
      return {} as T;
    },
  };

  show(changes: { finalizers?: Finalizers; deletionTimestamp?: string }): void {
    const metadata = { name: 'models', resourceVersion: String(this.#version), ...changes };
    this.famfsPools.put({ metadata, status: { fileSystemUUID: poolUuid } } as FamfsPool);
  }

  change(): void {
    this.#version += 1;
  }

  hold(uuid: string = poolUuid): Promise<void> {
    return holdPool(this, uuid, AbortSignal.timeout(10_000));
  }
}

describe('the hold on the FamfsPool of a file system', () => {
  it('is written over what somebody else wrote meanwhile, and leaves that there', async () => {
    const pool = new LatePool();
    pool.show({});
    pool.change();
    await pool.hold();
    assert.deepEqual(pool.written, [['example.com/other', poolFinalizer]]);
  });

  it('costs nothing where it is, where the pool is going, and where there is none', async () => {
    const pool = new LatePool();
    pool.show({ finalizers: [poolFinalizer] });
    await pool.hold();
    pool.show({ deletionTimestamp: '2026-01-01T00:00:00Z' });
    await pool.hold();
    pool.show({});
    await pool.hold('99999999-9999-4999-8999-999999999999');
    assert.deepEqual(pool.written, []);
  });

  it('is given up with the call that wants it', async () => {
    const pool = new LatePool();
    pool.show({});
    const over = new AbortController();
    const refused = async (): Promise<never> => {
      over.abort();
      throw new DriverError('record-conflict', 'changed meanwhile');
    };
    const parts = { client: { mergePatch: refused }, famfsPools: pool.famfsPools };
    await assert.rejects(holdPool(parts, poolUuid, over.signal), { name: 'AbortError' });
  });
});
