// What the real bundles cost: bytes in the image, and memory of each role when it has just started as the image starts it,
// against what the chart asks for it. How they do under load is measured by `npm run bench` and `npm run stress -- soak`.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { runCommand } from '../../src/linux/child-process.ts';
import { smallHeapEnvironment } from '../../src/roles/small-heap.ts';
import { DriverProcess } from '../../test/driver-process.ts';
import { LimitedGroup } from '../../test/process-limits.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { bundles } from '../bundle.ts';
import { projectRoot } from '../run-tool.ts';
import { makeProgramHome } from './program-home.ts';

const mib = 2 ** 20;

/** Some more than they had when this was written. A jump means that something came along which nobody asked for. */
const largestKib: Readonly<Record<string, number>> = {
  node: 700,
  agent: 900,
  controller: 1150,
  mounter: 1050,
  sim: 350,
  'famfs-csi': 1900,
};

let home: string;
let command: readonly string[];

before(async () => {
  home = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-budget-'));
  command = await makeProgramHome(home, bundles);
});
after(() => rmSync(home, { recursive: true }));

interface Resources {
  readonly requests: { readonly memory: string };
  readonly limits?: { readonly memory: string };
}
interface ChartValues {
  readonly controller: { readonly resources: Resources };
  readonly node: { readonly resources: Resources; readonly agent: { readonly resources: Resources } };
  readonly mounter: { readonly resources: Resources };
}

const values = parse(
  readFileSync(path.join(projectRoot, 'charts/famfs-csi/values.yaml'), 'utf8'),
) as ChartValues;

interface RoleStart {
  readonly role: string;
  readonly resources: Resources;
  readonly flags: (folder: string) => readonly string[];
  readonly started: RegExp;
}

const roleStarts: readonly RoleStart[] = [
  {
    role: 'node',
    resources: values.node.resources,
    flags: (folder) => [
      ...['--node-id=budget', '--skip-registration', `--kubelet-dir=${folder}/kubelet`],
      ...[`--csi-socket=${folder}/csi.sock`, `--mounter-socket=${folder}/mounter.sock`],
    ],
    started: /node plugin started/,
  },
  {
    role: 'agent',
    resources: values.node.agent.resources,
    flags: (folder) => [
      ...['--node-id=budget', `--mounter-socket=${folder}/mounter.sock`],
      `--kubeconfig=${kubeconfigIn(folder)}`,
    ],
    started: /agent started/,
  },
  {
    role: 'controller',
    resources: values.controller.resources,
    flags: (folder) => [`--csi-socket=${folder}/csi.sock`, `--kubeconfig=${kubeconfigIn(folder)}`],
    started: /controller started/,
  },
  {
    role: 'mounter',
    resources: values.mounter.resources,
    flags: (folder) => [
      ...[`--socket=${folder}/mounter.sock`, `--kubelet-dir=${folder}/kubelet`, '--famfs-location=image'],
      ...['pool', 'shadow', 'lock', 'state', 'famfs-tmp'].map((place) => `--${place}-dir=${folder}/${place}`),
      ...[`--dev-root=${folder}/dev`, `--sysfs-root=${folder}/sys`, `--system-uuid-path=${folder}/uuid`],
    ],
    started: /mounter started/,
  },
];

/** A kubeconfig of an API server that is not there: nobody listens on the port of discarding. */
function kubeconfigIn(folder: string): string {
  const file = path.join(folder, 'kubeconfig');
  const named = { name: 'none' };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ ...named, cluster: { server: 'https://127.0.0.1:9' } }],
    users: [{ ...named, user: { token: 'none' } }],
    contexts: [{ ...named, context: { cluster: 'none', user: 'none' } }],
    'current-context': 'none',
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}

function bytesOf(quantity: string): number {
  const match = /^(\d+)Mi$/.exec(quantity);
  assert.ok(match, `${quantity} is not in Mi`);
  return Number(match[1]) * mib;
}

describe('each bundle', () => {
  for (const { name } of bundles)
    test(`${name}.cjs has at most ${largestKib[name]} KiB`, () => {
      const kib = statSync(path.join(home, 'dist', `${name}.cjs`)).size / 1024;
      assert.ok(kib <= (largestKib[name] ?? 0), `${kib.toFixed(0)} KiB`);
    });
});

describe('each role, started as the image starts it', () => {
  const isRoot = process.getuid?.() === 0;
  for (const start of roleStarts) {
    const skip = start.role === 'mounter' && !isRoot ? 'a mounter needs root' : false;
    test(`${start.role} takes no more memory of its own than the chart requests`, { skip }, async (t) => {
      const requestBytes = bytesOf(start.resources.requests.memory);
      const limit = start.resources.limits?.memory;
      const limitBytes = limit === undefined ? undefined : bytesOf(limit);
      const { anonymousBytes, hasRunOut } = await startedMemory(start, limitBytes);
      const [has, request] = [anonymousBytes, requestBytes].map((bytes) => (bytes / mib).toFixed(0));
      t.diagnostic(`${start.role}: ${has} MiB of its own, request ${request} MiB`);
      assert.ok(anonymousBytes <= requestBytes, `${has} MiB`);
      assert.ok(!hasRunOut, `the kernel ended it at its limit of ${limit}`);
    });
  }
});

describe('the heap', () => {
  test('follows the memory limit of the container', async (t) => {
    const group = LimitedGroup.make('memory', 'famfs-csi-heap');
    if (group === undefined) return t.skip('no control group for memory can be made here');
    const limitBytes = 200 * mib;
    try {
      group.set(String(limitBytes), 'memory.max', 'memory.limit_in_bytes');
      const tell = path.join(home, 'tell-heap.cjs');
      const limitOfHeap = "require('node:v8').getHeapStatistics().heap_size_limit";
      writeFileSync(tell, `console.log(${limitOfHeap});\nprocess.exit();\n`);
      for (const { name } of bundles) {
        const started = ['env', `NODE_OPTIONS=--require=${tell}`, ...command, name];
        const { stdout, stderr } = await runCommand('/bin/sh', ['-c', inGroup, group.directory, ...started]);
        const share = Number(stdout) / limitBytes;
        assert.ok(share > 0.5 && share < 0.75, `${name}: ${share} of the limit ${stderr}`);
      }
    } finally {
      await group.remove();
    }
  });
});

/** A script that goes into the control group $0 and becomes the program that follows. */
const inGroup = 'echo $$ > "$0/cgroup.procs" && exec "$@"';

async function startedMemory(
  { role, flags, started }: RoleStart,
  limitBytes: number | undefined,
): Promise<{ anonymousBytes: number; hasRunOut: boolean }> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fcb-'));
  for (const place of ['kubelet', 'dev', 'sys', 'famfs-tmp']) mkdirSync(path.join(folder, place));
  const group = limitBytes === undefined ? undefined : LimitedGroup.make('memory', `famfs-csi-${role}`);
  group?.set(String(limitBytes), 'memory.max', 'memory.limit_in_bytes');
  const apart = role === 'mounter' ? ['unshare', '--mount', '--propagation', 'private'] : [];
  const grouped = group === undefined ? [] : ['/bin/sh', '-c', inGroup, group.directory];
  const driver = new DriverProcess({
    argv: [...apart, ...grouped, ...command, role, ...flags(folder)],
    logPath: path.join(folder, 'log'),
    env: smallHeapEnvironment,
  });
  try {
    await waitUntil(`${role} has started`, () => {
      if (!driver.isRunning && group?.hasRunOutOfMemory !== true) throw new Error(driver.log);
      return started.test(driver.log) || group?.hasRunOutOfMemory === true;
    });
    const hasRunOut = group?.hasRunOutOfMemory === true;
    return { anonymousBytes: hasRunOut ? 0 : anonymousBytesOf(driver.pid), hasRunOut };
  } finally {
    await driver.stop();
    await group?.remove();
    rmSync(folder, { recursive: true });
  }
}

/** What a process has that no file backs, and so nothing can take from it (proc_pid_status(5)). */
function anonymousBytesOf(pid: number): number {
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  assert.ok(kib !== undefined, `process ${pid} has no memory`);
  return Number(kib) * 1024;
}
