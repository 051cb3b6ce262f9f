// What the bundles are made of, and that they start: a bundle that misses a file or carries a foreign one is not
// seen by any test of the sources.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { driverName } from '../src/config.ts';
import { identityService } from '../src/csi/protocol.ts';
import { createClient } from '../src/rpc/client.ts';
import { DriverProcess } from '../test/driver-process.ts';
import { waitUntil } from '../test/wait-until.ts';
import { type BundleResult, bundles, externalsOf, makeBundle, packagesIn } from './bundle.ts';
import { freePort } from './free-ports.ts';
import { projectRoot } from './run-tool.ts';

let folder: string;
const made = new Map<string, BundleResult>();

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-bundle-'));
  writeFileSync(path.join(folder, 'package.json'), '{"type":"commonjs"}');
  for (const bundle of bundles) made.set(bundle.name, await makeBundle(bundle, folder));
});
after(() => rmSync(folder, { recursive: true }));

function bundled(name: string): BundleResult {
  const result = made.get(name);
  assert.ok(result, `there is no bundle ${name}`);
  return result;
}

function start(name: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [bundled(name).file, ...args], { encoding: 'utf8', cwd: '/' });
}

describe('the bundle of the node plugin', () => {
  test('holds neither an API client nor system calls, and needs nothing beside it', () => {
    const { metafile } = bundled('node');
    const packages = packagesIn(metafile);
    assert.ok(packages.includes('@grpc/grpc-js'), 'the list of packages is not what it seems');
    for (const foreign of ['@kubernetes/client-node', 'koffi', 'execa', '@grpc/proto-loader']) {
      assert.ok(!packages.includes(foreign), `node.cjs holds ${foreign}`);
    }
    const outside = externalsOf(metafile).filter(
      (module) => !module.startsWith('node:') && !isBuiltIn(module),
    );
    assert.deepEqual(outside, []);
  });

  test('does not hold the mounter or the simulator', () => {
    const own = Object.keys(bundled('node').metafile.inputs).filter((input) => input.startsWith('src/'));
    const foreign = own.filter((input) => /^src\/(sim|kubernetes|linux\/libc)/.test(input));
    assert.deepEqual(foreign, []);
    assert.ok(own.includes('src/roles/node.ts'));
  });

  test('says which file has the roles that it does not hold', () => {
    const { status, stderr } = start('node', 'mounter');
    assert.notEqual(status, 0);
    assert.match(stderr, /famfs-csi\.cjs/);
  });
});

describe('the bundle of the controller', () => {
  test('holds an API client and gRPC, but no system calls, no mounter and no simulator', () => {
    const { metafile } = bundled('controller');
    const packages = packagesIn(metafile);
    for (const needed of ['@kubernetes/client-node', '@grpc/grpc-js'])
      assert.ok(packages.includes(needed), `controller.cjs lacks ${needed}`);
    for (const foreign of ['koffi', 'execa'])
      assert.ok(!packages.includes(foreign), `controller.cjs holds ${foreign}`);
    const own = Object.keys(metafile.inputs).filter((input) => input.startsWith('src/'));
    const foreign =
      /^src\/(sim|kubelet|agent|linux\/libc)|^src\/mounter\/(?!client|generated|protocol-version)/;
    assert.deepEqual(
      own.filter((input) => foreign.test(input)),
      [],
    );
  });

  test('needs nothing beside it', () => {
    const outside = externalsOf(bundled('controller').metafile).filter(
      (module) => !module.startsWith('node:') && !isBuiltIn(module),
    );
    assert.deepEqual(outside, ['supports-color']);
    const { status, stderr } = start('controller', 'controller', '--namespace', 'Not a name');
    assert.equal(status, 2);
    assert.match(stderr, /--namespace needs a name/);
  });
});

describe('the bundle of the agent', () => {
  test('holds an API client, but no system calls and no gRPC', () => {
    const { metafile } = bundled('agent');
    const packages = packagesIn(metafile);
    assert.ok(packages.includes('@kubernetes/client-node'), 'the list of packages is not what it seems');
    for (const foreign of ['@grpc/grpc-js', 'koffi', 'execa'])
      assert.ok(!packages.includes(foreign), `agent.cjs holds ${foreign}`);
    const own = Object.keys(metafile.inputs).filter((input) => input.startsWith('src/'));
    const foreign =
      /^src\/(sim|csi|kubelet|linux\/libc)|^src\/mounter\/(?!client|generated|protocol-version)/;
    assert.deepEqual(
      own.filter((input) => foreign.test(input)),
      [],
    );
  });

  test('needs nothing beside it', () => {
    const outside = externalsOf(bundled('agent').metafile).filter(
      (module) => !module.startsWith('node:') && !isBuiltIn(module),
    );
    // Packages of others look for these, and go on without.
    assert.deepEqual(outside, ['supports-color']);
    const { status, stderr } = start('agent', 'agent');
    assert.equal(status, 2);
    assert.match(stderr, /--node-id is missing/);
  });
});

describe('the bundles with an API client', () => {
  test('hold only the reader of kubeconfigs of it: the rest would cost 15 MiB of memory', () => {
    for (const name of ['controller', 'agent', 'famfs-csi']) {
      const { inputs } = bundled(name).metafile;
      const held = Object.keys(inputs).filter((input) => input.includes('@kubernetes/client-node/'));
      assert.ok(
        held.some((input) => input.endsWith('/config.js')),
        `${name}.cjs reads no kubeconfig`,
      );
      assert.deepEqual(
        held.filter(
          (input) => /\/(gen|watch|cache|exec)\b(?!_)/.test(input) && !input.endsWith('/rxjsStub.js'),
        ),
        [],
      );
      assert.ok(!packagesIn(bundled(name).metafile).includes('undici'), `${name}.cjs holds undici`);
    }
  });
});

/** The bundle of the node plugin as a process in a folder, and who asks it; both are ended by the caller. */
function startPlugin(home: string, flags: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const places = [
    ...[`--kubelet-dir=${home}`, `--csi-socket=${home}/csi.sock`],
    `--mounter-socket=${home}/mounter.sock`,
  ];
  const start = [process.execPath, bundled('node').file, 'node', '--node-id=bundled', '--skip-registration'];
  const plugin = new DriverProcess({
    argv: [...start, ...places, ...flags],
    ...{ logPath: path.join(home, 'log'), env },
  });
  const options = { name: 'the bundle', unavailableReason: 'internal' } as const;
  return { plugin, client: createClient(identityService, path.join(home, 'csi.sock'), options) };
}

describe('what bundles leave out', () => {
  /** Modules of packages that are loaded for features that nobody uses, and what would be a sign of them. */
  const unused = [
    ...['channel', 'client', 'internal-channel', 'load-balancer', 'resolver-dns', 'transport'].map(
      (module) => `@grpc/grpc-js/build/src/${module}.js`,
    ),
    ...['winston/lib/winston.js', 'winston/lib/winston/transports/http.js', '@dabh/diagnostics/'],
    ...['prom-client/index.js', 'prom-client/lib/cluster.js', 'tdigest/', '@opentelemetry/api/'],
  ];

  for (const { name } of bundles)
    test(`is in none of them: ${name}.cjs`, () => {
      const inputs = Object.keys(bundled(name).metafile.inputs);
      const held = inputs.filter((input) =>
        unused.some((module) => input.includes(`node_modules/${module}`)),
      );
      assert.deepEqual(held, []);
    });

  test('lies where it is looked for', () => {
    const roots = ['@grpc/grpc-js/build/src', 'winston/lib/winston', '@dabh/diagnostics', 'prom-client/lib'];
    for (const folder of [...roots, 'tdigest', '@opentelemetry/api'])
      assert.ok(existsSync(path.join(projectRoot, 'node_modules', folder)), folder);
    for (const module of unused.filter((file) => file.endsWith('.js')))
      assert.ok(existsSync(path.join(projectRoot, 'node_modules', module)), module);
  });

  test('is missed by none: the node plugin serves, logs and tells its metrics', async () => {
    const home = mkdtempSync(path.join(os.tmpdir(), 'fcn-'));
    const port = await freePort();
    const { plugin, client } = startPlugin(home, [
      `--metrics-address=127.0.0.1:${port}`,
      '--log-level=debug',
    ]);
    try {
      await waitUntil('it has started', () => {
        if (!plugin.isRunning) throw new Error(plugin.log);
        return /node plugin started/.test(plugin.log);
      });
      const { name } = await client.calls.getPluginInfo({});
      assert.equal(name, driverName);
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      for (const line of [
        /^famfs_csi_operations_in_flight\{method="GetPluginInfo",role="node"\} 0$/m,
        /^famfs_csi_operations_seconds_count\{.*method="GetPluginInfo".*code="OK".*\} 1$/m,
        /^famfs_csi_process_cpu_seconds_total\{role="node"\} [0-9.]+$/m,
        /^famfs_csi_nodejs_gc_duration_seconds_count\{.*\} \d+$/m,
      ])
        assert.match(text, line);
      for (const line of plugin.log.trimEnd().split('\n')) assert.ok(JSON.parse(line), line);
    } finally {
      client.close();
      await plugin.stop();
      rmSync(home, { recursive: true });
    }
  });
});

describe('a bundle that keeps its compiled code', () => {
  let home: string;
  before(() => {
    home = mkdtempSync(path.join(os.tmpdir(), 'fck-'));
  });
  after(() => rmSync(home, { recursive: true }));

  const cache = (): string => path.join(home, 'cache');
  const kept = (): string[] => readdirSync(cache()).filter((name) => name.endsWith('.code'));
  const keptFile = (): string => {
    assert.equal(kept().length, 1, kept().join());
    return path.join(cache(), kept()[0] ?? '');
  };

  /** Starts the node plugin, asks it something, ends it. */
  async function serveOnce(folder = cache()): Promise<void> {
    const { plugin, client } = startPlugin(home, [], { NODE_COMPILE_CACHE: folder });
    try {
      await waitUntil('it has started', () => {
        if (!plugin.isRunning) throw new Error(plugin.log);
        return existsSync(path.join(home, 'csi.sock'));
      });
      await waitUntil('it answers', () =>
        client.calls.getPluginInfo({}).then(
          ({ name }) => name === driverName,
          () => false,
        ),
      );
    } finally {
      client.close();
      await plugin.stop();
    }
  }

  test('takes what an earlier start has kept, though the program sets flags of V8 meanwhile', async () => {
    await serveOnce();
    const { ino, size } = statSync(keptFile());
    assert.ok(size > 300_000, `${size} bytes are not the functions of a start`);
    await serveOnce();
    assert.equal(statSync(keptFile()).ino, ino, 'it was refused, and made anew');
    assert.equal(statSync(keptFile()).mode & 0o777, 0o600);
  });

  test('starts all the same with what is damaged, cut off or of another program, and makes it anew', async () => {
    const whole = readFileSync(keptFile());
    const flipped = Buffer.from(whole);
    flipped.writeUInt8(flipped.readUInt8(whole.length >> 1) ^ 1, whole.length >> 1);
    for (const bytes of [flipped, whole.subarray(0, whole.length >> 1), Buffer.alloc(0), Buffer.alloc(4)]) {
      writeFileSync(keptFile(), bytes);
      await serveOnce();
      assert.ok(statSync(keptFile()).size > 300_000);
    }
  });

  test('starts all the same where nothing can be kept', async () => {
    writeFileSync(path.join(home, 'no-folder'), '');
    await serveOnce(path.join(home, 'no-folder'));
  });

  test('keeps nothing of a command that only tells something', () => {
    const folder = path.join(home, 'told');
    const env = { ...process.env, NODE_COMPILE_CACHE: folder };
    const { status } = spawnSync(process.execPath, [bundled('node').file, '--help'], { env });
    assert.equal(status, 0);
    assert.deepEqual(
      existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.code')) : [],
      [],
    );
  });
});

describe('every bundle of the program', () => {
  for (const { name, entry } of bundles.filter((bundle) => bundle.entry === 'src/main.ts')) {
    test(`${name}.cjs, made of ${entry}, tells its version and its help from anywhere`, () => {
      const manifest = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8')) as {
        version: string;
      };
      const version = start(name, '--version');
      assert.equal(version.status, 0, version.stderr);
      assert.ok(version.stdout.includes(manifest.version), version.stdout);
      const help = start(name, '--help');
      assert.equal(help.status, 0, help.stderr);
      assert.match(help.stdout, /famfs-csi/);
      assert.match(help.stdout, /\bnode\b.*\bmounter\b/s);
    });
  }

  test('does not know where it was built', () => {
    for (const { file } of made.values()) assert.ok(!readFileSync(file, 'utf8').includes(projectRoot), file);
  });

  test('has a source map beside it that it does not ask to be loaded', () => {
    for (const { file } of made.values()) {
      assert.doesNotMatch(readFileSync(file, 'utf8'), /sourceMappingURL/);
      assert.match(readFileSync(`${file}.map`, 'utf8'), /"version": 3/);
    }
  });
});

describe('the bundles with system calls', () => {
  test('have koffi beside them, not inside', () => {
    for (const name of ['mounter', 'famfs-csi', 'sim']) {
      const { metafile } = bundled(name);
      assert.ok(externalsOf(metafile).includes('koffi'), `${name}.cjs does not load koffi`);
      assert.ok(!packagesIn(metafile).some((module) => /koffi/.test(module)), `${name}.cjs holds koffi`);
    }
  });

  test('run with the koffi that is beside them', () => {
    const modules = path.join(folder, 'node_modules');
    symlinkSync(path.join(projectRoot, 'node_modules'), modules);
    try {
      const { status, stdout, stderr } = start('sim', '--help');
      assert.equal(status, 0, stderr);
      assert.match(stdout, /Simulated famfs/);
      const mounter = start('mounter', 'mounter', '--help');
      assert.equal(mounter.status, 0, mounter.stderr);
      assert.match(mounter.stdout, /--kubelet-dir/);
    } finally {
      rmSync(modules);
    }
  });
});

function isBuiltIn(module: string): boolean {
  return process.getBuiltinModule(module) !== undefined;
}
