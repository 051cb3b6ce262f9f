// Which mounts reach into which slots.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BoundSlots } from './bound-slots.ts';

const [poolUuid, other] = ['one', 'two'];

function reach(...paths: readonly string[]): readonly string[] {
  const bound = new BoundSlots(paths.map((path) => ({ poolUuid, path })));
  assert.ok(!bound.has({ poolUuid: other, slot: 'a' }), 'another pool');
  return ['a', 'b'].filter((slot) => bound.has({ poolUuid, slot }));
}

it('a mount reaches the slot that it is of, or lies in, and all of them from above', () => {
  assert.deepEqual(reach(), []);
  assert.deepEqual(reach('v/a'), ['a']);
  assert.deepEqual(reach('v/a/data', 'v/ab'), ['a']);
  assert.deepEqual(reach('./v//b/'), ['b']);
  assert.deepEqual(reach('v/a', 'v', 'v/b'), ['a', 'b']);
  assert.deepEqual(reach(''), ['a', 'b']);
  assert.deepEqual(reach('models/v/a', 'va', 'd/a'), []);
});
