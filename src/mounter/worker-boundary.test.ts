// Rules 7 and 8 where no behaviour shows them: which code the mounter's main process can reach at all.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const room = import.meta.dirname;

/** The modules of this room that a module imports at run time; imports of types alone are gone by then. */
function importsOf(file: string): string[] {
  const text = readFileSync(path.join(room, file), 'utf8');
  const statements = [...text.matchAll(/^import\s+(type\s)?([^'"]*?)from\s+'([^']+)'/gm)];
  return statements.flatMap(([, typeOnly, names = '', specifier = '']) => {
    const onlyTypes = /^\{(?:\s*type\s[^,}]+,?)+\s*\}\s*$/.test(names.trim());
    return typeOnly !== undefined || onlyTypes ? [] : [specifier];
  });
}

/** Everything of this room that is reached from a module. */
function reachedFrom(file: string, reached = new Set<string>()): Set<string> {
  reached.add(file);
  for (const specifier of importsOf(file)) {
    const local = /^\.\/([\w-]+\.ts)$/.exec(specifier)?.[1];
    if (local !== undefined && !reached.has(local)) reachedFrom(local, reached);
  }
  return reached;
}

test('the main process cannot reach what touches a pool beyond the root of its mount', () => {
  const reached = reachedFrom('mounter.ts');
  for (const file of ['pool.ts', 'pool-finder.ts', 'pool-mounts.ts', 'service.ts'])
    for (const each of reachedFrom(file)) reached.add(each);
  assert.ok(reached.has('unbind.ts') && reached.has('pool-mounts.ts'), 'the imports are followed');
  const workersOnly = [
    'bind.ts',
    'mapping-kind.ts',
    'mounted-log-source.ts',
    'operation-policy.ts',
    'pool-worker-main.ts',
  ];
  for (const file of workersOnly) assert.equal(reached.has(file), false, `${file} is reached`);
});

test('binding and unbinding know mounts by their id and never read the mount table', () => {
  for (const start of ['bind.ts', 'unbind.ts', 'target.ts', 'target-path.ts', 'bind-registry.ts']) {
    for (const file of reachedFrom(start)) {
      const found = importsOf(file).filter((specifier) => /mount-table|processes/.test(specifier));
      assert.deepEqual(found, [], `${start} reaches ${file}`);
    }
  }
});

test('nothing in the room deletes a tree but what famfs names by itself', () => {
  const deleting = [
    'mounter.ts',
    'bind.ts',
    'unbind.ts',
    'target.ts',
    'target-path.ts',
    'pool.ts',
    'bind-record.ts',
  ];
  for (const file of deleting)
    assert.doesNotMatch(readFileSync(path.join(room, file), 'utf8'), /recursive: true, force/);
});
