// The roles of the chart against the code: what a process of the driver may ask of the API server is what it does ask.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { chartObjects, controllerServiceAccount, nodeServiceAccount } from '../../test/driver-objects.ts';
import { rightsUsedBy, usingPlaces } from '../../test/used-rights.ts';

const sources = path.join(import.meta.dirname, '..');
/** What carries the requests of all the others. */
const carriers = ['kubernetes/api-client.ts', 'kubernetes/watch-loop.ts', 'kubernetes/object-cache.ts'];

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** The code of the rooms that know the API server, by path below src/. */
function askingSources(): ReadonlyMap<string, string> {
  const files = globSync('{kubernetes,agent,roles}/*.ts', { cwd: sources }).filter(
    (file) => !file.endsWith('.test.ts') && !carriers.includes(file),
  );
  return new Map(files.map((file) => [file, readFileSync(path.join(sources, file), 'utf8')]));
}

/** `FILE: CALL RESOURCE` of each call of an API client, and of each cache, in the words of the code. */
function placesIn(file: string, text: string): string[] {
  const renamed = new Map([...text.matchAll(/\b(\w+) as (\w+)\b/g)].map(([, name, as]) => [as, name]));
  const calls =
    /\bclient\s*\.(get|list|create|update|updateStatus|apply|mergePatch|remove|watch)\s*(?:<[^()]*?>)?\(\s*(\w+)/g;
  const followed = /\bnew ObjectCache\b[^;]*?\bresource: (?:resources\.)?(\w+)/g;
  const asked = [...text.matchAll(calls)].map(([, call, resource]) => [call, resource]);
  const caches = [...text.matchAll(followed)].map(([, name]) => ['follow', name]);
  return [...asked, ...caches].map(([call, name]) => `${file}: ${call} ${renamed.get(name) ?? name}`);
}

/** `VERB GROUP/RESOURCE` of each rule of the driver's own roles that bear the name of an account. */
function rightsGrantedTo(account: string): string[] {
  const roles = chartObjects('rbac').filter(
    ({ kind, metadata }) => /^(Cluster)?Role$/.test(kind) && metadata.name === account,
  ) as unknown as readonly { readonly rules: readonly Rule[] }[];
  const granted = roles.flatMap(({ rules }) =>
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
      ),
    ),
  );
  return [...new Set(granted)].sort();
}

describe('the rights of the driver', () => {
  test('are listed for each place in the code that asks the API server, and for no other', () => {
    const found = [...askingSources()].flatMap(([file, text]) => placesIn(file, text));
    assert.deepEqual([...new Set(found)].sort(), usingPlaces);
  });

  test('are found in the code by the one name that API clients have there', () => {
    const holder = /([#\w]+)\??: (?:Pick<)?ApiClient\b/g;
    for (const [file, text] of askingSources())
      for (const [, name] of text.matchAll(holder)) assert.match(name ?? '', /^#?client$/, file);
  });

  for (const account of [nodeServiceAccount, controllerServiceAccount]) {
    test(`are what the roles grant ${account}, neither more nor less`, () => {
      assert.deepEqual(rightsGrantedTo(account), rightsUsedBy(account));
    });
  }
});
