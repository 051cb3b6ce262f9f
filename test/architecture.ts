// The directions in which code may depend on code, as data, and how a tree of sources is held against them.
// Knows only text: it parses no TypeScript, it finds the import statements that the formatter leaves behind.

/** A file with its path from the project's root, in forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A rule that a file breaks, written as `path:line: what, and what is allowed instead`. */
export type Complaint = string;

interface ImportStatement {
  readonly line: number;
  readonly specifier: string;
}

/**
 * What each room of src/ may import from other rooms. A room is a folder of src/, or a file that lies directly in it.
 * A path instead of a room allows only what lies at or below it. Everything may import from its own room.
 */
export const allowedRooms: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  version: [],
  pace: [],
  'size-text': [],
  observe: ['errors'],
  linux: ['errors'],
  famfs: ['linux', 'errors', 'size-text'],
  volumes: ['famfs', 'errors', 'pace', 'size-text'],
  datasets: ['volumes', 'famfs', 'errors'],
  rpc: ['linux', 'observe', 'errors'],
  config: ['errors', 'observe', 'rpc'],
  mounter: ['famfs', 'linux', 'observe', 'rpc', 'errors', 'config', 'pace', 'size-text'],
  csi: ['volumes', 'rpc', 'observe', 'errors', 'config', 'mounter/client', 'mounter/generated', 'size-text'],
  kubelet: ['rpc', 'observe', 'errors', 'config', 'mounter/client', 'mounter/generated'],
  agent: ['volumes', 'kubernetes', 'observe', 'errors', 'pace', 'mounter/client', 'mounter/generated'],
  kubernetes: ['volumes', 'datasets', 'observe', 'errors', 'config', 'pace'],
  sim: ['famfs', 'linux', 'errors', 'size-text'],
  roles: [
    ...[
      'agent',
      'csi',
      'kubelet',
      'kubernetes',
      'mounter',
      'rpc',
      'volumes',
      'datasets',
      'famfs',
      'linux',
      'observe',
    ],
    ...['errors', 'config', 'version', 'pace', 'size-text'],
  ],
  main: ['roles', 'config', 'observe', 'errors', 'version'],
};

/** Modules from outside that only these rooms may import, for any source that is not a test. */
export const reservedModules: Readonly<Record<string, readonly string[]>> = {
  '@grpc/grpc-js': ['rpc'],
  '@kubernetes/client-node': ['kubernetes'],
  koffi: ['linux'],
  execa: ['linux'],
  'node:child_process': ['linux'],
  'node:cluster': [],
  winston: ['observe'],
  'prom-client': ['observe'],
};

/** Places beside src/; they may import any of its rooms but the simulator, and no room may import them. */
const places = ['tools', 'bench', 'demo', 'test', 'e2e'];

const longestFileLines = 400;
const namesThatSayNothing = /^(utils?|helpers?|common|misc|shared)$/;

/** Everything that a TypeScript source does against the rules of the architecture. */
export function complaintsAbout(file: SourceFile): Complaint[] {
  if (file.path.includes('/generated/')) return [];
  const imports = importsOf(file.text);
  return [
    ...imports.flatMap((found) => complaintsAboutImport(file.path, found)),
    ...complaintsAboutForm(file),
  ];
}

/** The modules that a source imports or exports from, types and dynamic imports included. */
export function importsOf(text: string): ImportStatement[] {
  const patterns = [
    /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /^(?!\s*(?:\*|\/\/)).*?\b(?:import|require)\(\s*['"]([^'"]+)['"]/gm,
  ];
  return patterns
    .flatMap((pattern) => [...text.matchAll(pattern)])
    .map((match) => ({ line: lineOf(text, match), specifier: match[1] ?? '' }))
    .sort((left, right) => left.line - right.line);
}

function lineOf(text: string, match: RegExpMatchArray): number {
  const leadingBlank = match[0].length - match[0].trimStart().length;
  return text.slice(0, (match.index ?? 0) + leadingBlank).split('\n').length;
}

function complaintsAboutImport(file: string, { line, specifier }: ImportStatement): Complaint[] {
  const where = `${file}:${line}`;
  if (!specifier.startsWith('.')) return complaintsAboutModule(where, file, specifier);
  const target = resolvePath(file, specifier);
  const targetRoom = roomOf(target);
  const room = roomOf(file);
  if (targetRoom === 'sim' && room !== 'sim') {
    return [`${where}: imports ${target}; the simulator is reached as commands and imported by nothing`];
  }
  if (room === undefined || isTest(file)) return [];
  if (targetRoom === undefined) {
    return target.startsWith('src/') || places.includes(target.split('/')[0] ?? '')
      ? [`${where}: the room ${room} imports ${target}, which lies outside the rooms of src/`]
      : [];
  }
  if (targetRoom === room) return [];
  const allowed = allowedRooms[room];
  if (allowed === undefined) {
    return [
      `${where}: the room ${room} is not in the table of test/architecture.ts; say there what it may import`,
    ];
  }
  if (allowed.some((place) => isWithin(target, place))) return [];
  return [
    `${where}: the room ${room} imports ${target}; it may import ${allowed.join(', ') || 'no other room'}`,
  ];
}

function complaintsAboutModule(where: string, file: string, specifier: string): Complaint[] {
  const room = roomOf(file);
  if (room === undefined || isTest(file)) return [];
  const bare = specifier.startsWith('node:') ? specifier : moduleName(specifier);
  const rooms = reservedModules[bare] ?? reservedModules[`node:${bare}`];
  if (rooms === undefined || rooms.includes(room)) return [];
  const whose = rooms.length === 0 ? 'no room may' : `only ${rooms.join(', ')} may`;
  return [`${where}: the room ${room} imports ${specifier}; ${whose}`];
}

function complaintsAboutForm({ path: file, text }: SourceFile): Complaint[] {
  const complaints: Complaint[] = [];
  const lines = text.split('\n');
  const count = lines.length - (lines.at(-1) === '' ? 1 : 0);
  if (count > longestFileLines) {
    complaints.push(
      `${file}:${count}: ${count} lines; a file holds one concept in ${longestFileLines} at most`,
    );
  }
  for (const step of file.split('/').map((name) => name.replace(/\..*$/, ''))) {
    if (namesThatSayNothing.test(step)) complaints.push(`${file}:1: "${step}" does not say what is in it`);
  }
  for (const [index, line] of lines.entries()) {
    if (/^export\s+default\b/.test(line)) complaints.push(`${file}:${index + 1}: default export; name it`);
    if (/^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?enum\s+\w/.test(line)) {
      complaints.push(`${file}:${index + 1}: enum; use a union of literals`);
    }
  }
  return complaints;
}

/** The room of a path: "csi" for src/csi/server.ts, "main" for src/main.ts; undefined outside src/. */
function roomOf(file: string): string | undefined {
  const [top, room, ...rest] = file.split('/');
  if (top !== 'src' || room === undefined) return undefined;
  return rest.length > 0 ? room : room.replace(/\.(ts|js)$/, '');
}

function isTest(file: string): boolean {
  return /\.test\.ts$/.test(file);
}

function isWithin(target: string, place: string): boolean {
  const allowed = `src/${place}`;
  return target === `${allowed}.ts` || target.startsWith(`${allowed}/`);
}

/** "@scope/name/deep" is the module "@scope/name". */
function moduleName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function resolvePath(file: string, specifier: string): string {
  const steps = file.split('/').slice(0, -1);
  for (const step of specifier.split('/')) {
    if (step === '..') steps.pop();
    else if (step !== '.') steps.push(step);
  }
  return steps.join('/');
}
