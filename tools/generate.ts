// Turns proto/*.proto into the descriptions and declarations that the code imports.
// Output is not committed; tools/bootstrap.mjs calls this when a proto is newer than what it generated.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { INamespace } from 'protobufjs/light.js';

const root = path.dirname(import.meta.dirname);

const modules = [
  { proto: 'csi', room: 'csi' },
  { proto: 'mounter', room: 'mounter' },
  { proto: 'registration', room: 'kubelet' },
] as const;

for (const { proto, room } of modules) {
  const folder = path.join(root, 'src', room, 'generated');
  mkdirSync(folder, { recursive: true });
  const source = path.join(root, 'proto', `${proto}.proto`);
  const module = path.join(folder, `${proto}.js`);
  // The module that comes with the declarations makes all types of the protocol when it is loaded; ours only describes them.
  compile(['-t', 'json-module', '-w', 'esm', '-d', '--null-semantics', '-o', module, source]);
  const declarations = path.join(folder, `${proto}.d.ts`);
  writeFileSync(declarations, withDescription(readFileSync(declarations, 'utf8')));
  writeFileSync(module, describe(compile(['-t', 'json', source])));
}

function compile(args: readonly string[]): string {
  const pbjs = path.join(root, 'node_modules/.bin/pbjs');
  return execFileSync(pbjs, args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
}

/** A module whose default export is the protocol as JSON, which is read faster out of a string than out of a program. */
function describe(json: string): string {
  const description = JSON.stringify(withoutCompilersPart(JSON.parse(json) as INamespace));
  return [
    '// The protocol as protobufjs describes it. What is declared beside it is there as types alone.',
    `export default JSON.parse(${JSON.stringify(description)});`,
    '',
  ].join('\n');
}

/**
 * Leaves out what a proto declares about options, and of google.protobuf what no message holds: the protocol of descriptions
 * is for compilers. The options that are set stay where they are.
 */
function withoutCompilersPart({ nested = {} }: INamespace): INamespace {
  const packages = Object.entries(nested).filter(([name]) => name !== 'google');
  const own = Object.fromEntries(packages.map(([name, described]) => [name, withoutExtensions(described)]));
  const protobuf = namespaceIn(namespaceIn({ nested }, 'google'), 'protobuf');
  const text = JSON.stringify(own);
  const held = Object.entries(protobuf.nested ?? {}).filter(([name]) =>
    text.includes(`"google.protobuf.${name}"`),
  );
  if (held.length === 0) return { nested: own };
  return { nested: { ...own, google: { nested: { protobuf: { nested: Object.fromEntries(held) } } } } };
}

function withoutExtensions<T extends object>(described: T): T {
  if (!('nested' in described)) return described;
  const kept = Object.entries((described as INamespace).nested ?? {})
    .filter(([, inner]) => !('extend' in inner))
    .map(([name, inner]) => [name, withoutExtensions(inner)]);
  return { ...described, nested: Object.fromEntries(kept) };
}

function namespaceIn({ nested = {} }: INamespace, name: string): INamespace {
  return (nested[name] ?? {}) as INamespace;
}

/** The declarations, of which the default export is made anew. */
function withDescription(declarations: string): string {
  const before = '/** Reflected root namespace. */\ndeclare const _default: $protobuf.Root;';
  if (!declarations.includes(before)) throw new Error('pbjs declares its default export in another way now');
  return declarations.replace(
    before,
    '/** The protocol as JSON. */\ndeclare const _default: $protobuf.INamespace;',
  );
}
