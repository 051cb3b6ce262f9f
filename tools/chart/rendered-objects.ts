// Finds objects among those that a chart renders, for tests.
import assert from 'node:assert/strict';
import type { RenderedObject } from './helm.ts';

export function byKind(objects: readonly RenderedObject[], kind: string): RenderedObject[] {
  return objects.filter((object) => object.kind === kind);
}

/** The one object of a kind and name. @throws AssertionError when there is none, or several */
export function only(objects: readonly RenderedObject[], kind: string, name: string): RenderedObject {
  const found = byKind(objects, kind).filter(({ metadata }) => metadata.name === name);
  assert.equal(found.length, 1, `${kind} ${name}`);
  return found[0] as RenderedObject;
}
