// Handlers of a mounter that offers nothing: what a test that serves a few of its verbs spreads below them.
import { DriverError } from '../src/errors.ts';
import type { famfs } from '../src/mounter/generated/mounter.js';
import { type Handlers, unimplemented } from '../src/rpc/server.ts';

const no = unimplemented('this test does not offer it');

/** Every verb refuses; the streams of those that report end at once. */
export const unofferedMounter: Handlers<famfs.mounter.v1.Mounter> = {
  ...{ getState: no, bind: no, unbind: no, listBinds: no, stat: no, checkHealth: no, inspectMapping: no },
  ...{ formatDevice: no, releasePool: no },
  ...{ watchState: empty, makeFiles: refused, zeroFiles: refused },
};

async function* empty(): AsyncGenerator<never> {}

// biome-ignore lint/correctness/useYield: a stream that fails before it sends anything
async function* refused(): AsyncGenerator<never> {
  throw new DriverError('unimplemented', 'this test does not offer it');
}
