// Bundles the program into dist/: one CommonJS file per process of the image, with its source map beside it.
// Every file is the whole command line of src/main.ts, but holds the code of its own roles only; the others answer
// that they live in another file. So a node plugin never carries the mounter's syscalls or an API client.
//
// koffi stays outside: it loads a native library of its platform. An image that runs a file with the mounter in it
// needs node_modules/koffi and node_modules/@koromix/koffi-linux-{x64,arm64} beside or above dist/.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { smallHeapFlags } from '../src/roles/small-heap.ts';
import { leaveOutUnused } from './bundle/left-out.ts';
import { projectRoot } from './run-tool.ts';

export interface Bundle {
  /** File name in dist/, without the extension. */
  readonly name: string;
  readonly entry: string;
  /** Files of src/roles/ that it holds, without the extension; all of them when left out. */
  readonly roles?: readonly string[];
  /** Its compiled functions are kept from one start to the next, where NODE_COMPILE_CACHE says. */
  readonly keepsCode?: boolean;
}

export const bundles: readonly Bundle[] = [
  { name: 'famfs-csi', entry: 'src/main.ts' },
  { name: 'node', entry: 'src/main.ts', roles: ['node'], keepsCode: true },
  { name: 'controller', entry: 'src/main.ts', roles: ['controller'] },
  { name: 'agent', entry: 'src/main.ts', roles: ['agent'] },
  { name: 'mounter', entry: 'src/main.ts', roles: ['mounter', 'mounter-worker'] },
  { name: 'sim', entry: 'src/sim/main.ts' },
];

export interface BundleResult {
  readonly file: string;
  readonly sizeBytes: number;
  readonly metafile: Metafile;
}

/** Builds one bundle into `folder` and returns what esbuild says it is made of. */
export async function makeBundle(bundle: Bundle, folder: string): Promise<BundleResult> {
  const file = path.join(folder, `${bundle.name}.cjs`);
  const { metafile } = await build({
    ...sharedOptions,
    entryPoints: [path.join(projectRoot, bundle.entry)],
    outfile: file,
    ...(bundle.keepsCode === true ? keepingCode() : {}),
    plugins: [leaveOutOtherRoles(bundle), leaveOutUnused],
  });
  const output = Object.entries(metafile.outputs).find(([name]) => name.endsWith('.cjs'));
  return { file, sizeBytes: output?.[1].bytes ?? 0, metafile };
}

/** What takes the place of what ES modules know about themselves. */
const ownPlace =
  "const moduleUrl=require('node:url').pathToFileURL(__filename).href,isMainModule=require.main===module;";

const sharedOptions = {
  absWorkingDir: projectRoot,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  minifyWhitespace: true,
  minifySyntax: true,
  sourcemap: 'external',
  sourcesContent: false,
  metafile: true,
  logLevel: 'warning',
  external: ['koffi'],
  alias: {
    '@kubernetes/client-node': path.join(projectRoot, 'node_modules/@kubernetes/client-node/dist/config.js'),
  },
  banner: { js: ownPlace },
  // What ES modules know about themselves, said in CommonJS.
  define: {
    'import.meta.url': 'moduleUrl',
    'import.meta.main': 'isMainModule',
    'import.meta.filename': '__filename',
    'import.meta.dirname': '__dirname',
  },
} as const satisfies BuildOptions;

/** Makes a function of the bundle, on lines of its own so that stack traces tell the same of it, and what runs it. */
function keepingCode(): Pick<BuildOptions, 'banner' | 'footer'> {
  const run = readFileSync(path.join(projectRoot, 'tools/bundle/keep-code.cjs'), 'utf8');
  return {
    banner: { js: `function code(exports,require,module,__filename,__dirname){\n${ownPlace}` },
    footer: { js: `}\nconst smallHeapFlags=${JSON.stringify(smallHeapFlags)};\n${run}` },
  };
}

/**
 * Puts a module that explains itself in the place of each role that does not belong into the bundle. Roles are what
 * src/main.ts reaches as `./roles/…`; what else lies in src/roles/ is part of the roles that use it.
 */
function leaveOutOtherRoles({ name, roles }: Bundle): Plugin {
  return {
    name: 'leave-out-other-roles',
    setup({ onLoad, onResolve }) {
      if (roles === undefined) return;
      onResolve({ filter: /^\.\/roles\/[^/]+\.ts$/ }, ({ path: file }) => {
        const role = path.basename(file, '.ts');
        return roles.includes(role) ? undefined : { path: role, namespace: 'left-out' };
      });
      onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path: role }) => {
        const message = `${name}.cjs does not hold "${role}"; run famfs-csi.cjs for it.`;
        return { contents: `throw new Error(${JSON.stringify(message)});`, loader: 'js' };
      });
    },
  };
}

/** Everything that code of other projects came from, by package name. */
export function packagesIn({ inputs }: Metafile): readonly string[] {
  const names = Object.keys(inputs).flatMap((input) => {
    const inside = input.split('node_modules/').at(-1);
    return input.includes('node_modules/') && inside !== undefined ? [packageOf(inside)] : [];
  });
  return [...new Set(names)].sort();
}

/** Modules that are loaded when the bundle runs because they are not inside it. */
export function externalsOf({ outputs }: Metafile): readonly string[] {
  const imports = Object.values(outputs).flatMap((output) => output.imports);
  const names = imports.filter(({ external }) => external === true).map((found) => found.path);
  return [...new Set(names)].sort();
}

function packageOf(inside: string): string {
  return inside
    .split('/')
    .slice(0, inside.startsWith('@') ? 2 : 1)
    .join('/');
}

async function main(): Promise<void> {
  const dist = path.join(projectRoot, 'dist');
  mkdirSync(dist, { recursive: true });
  // The project is made of ES modules; what lies in dist/ is not.
  writeFileSync(path.join(dist, 'package.json'), '{"type":"commonjs"}\n');
  for (const bundle of bundles) {
    const { file, sizeBytes, metafile } = await makeBundle(bundle, dist);
    const kib = `${(sizeBytes / 1024).toFixed(0)} KiB`.padStart(9);
    const own = Object.keys(metafile.inputs).filter((input) => input.startsWith('src/')).length;
    console.log(
      `${path.relative(projectRoot, file).padEnd(20)} ${kib}  ${own} files of ours, ${packagesIn(metafile).length} packages`,
    );
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    // esbuild has said what is wrong and where; its stack tells nothing more.
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
