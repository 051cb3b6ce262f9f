// For tests of what runs famfs: tiny real programs in the place of famfs and mkfs.famfs that write down how they were
// called and then say what they were told to, or what a recording of the real ones says.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { keyOf, readTranscripts } from './famfs-transcripts.ts';
import { waitUntil } from './wait-until.ts';

/** What a program wrote down about how it was called. */
export interface Call {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly umask: number;
  readonly cwd: string;
  /** what its open descriptors lead to */
  readonly files: readonly string[];
  readonly mountNamespace: string;
  readonly pid: number;
}

const program = `#!${process.execPath}
import fs from 'node:fs';
import path from 'node:path';
const folder = import.meta.dirname;
const linkOf = (file) => { try { return fs.readlinkSync(file); } catch { return ''; } };
const call = {
  argv: [path.basename(process.argv[1]), ...process.argv.slice(2)],
  env: process.env,
  umask: process.umask(),
  cwd: process.cwd(),
  files: fs.readdirSync('/proc/self/fd').map((fd) => linkOf('/proc/self/fd/' + fd)),
  mountNamespace: linkOf('/proc/self/ns/mnt'),
  pid: process.pid,
};
fs.writeFileSync(path.join(folder, 'call.tmp'), JSON.stringify(call));
fs.renameSync(path.join(folder, 'call.tmp'), path.join(folder, 'call.json'));
const says = JSON.parse(fs.readFileSync(path.join(folder, 'says.json'), 'utf8'));
if (fs.existsSync(path.join(folder, 'gate'))) fs.readFileSync(path.join(folder, 'gate'));
fs.writeSync(1, says.stdout);
fs.writeSync(2, says.stderr);
process.exitCode = says.exit;
`;

/** The programs of one test, in a folder of their own. */
export class SpokenPrograms {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-commands-'));

  constructor() {
    writeFileSync(path.join(this.folder, 'program.mjs'), program);
    chmodSync(path.join(this.folder, 'program.mjs'), 0o755);
    for (const name of ['famfs', 'mkfs.famfs']) symlinkSync('program.mjs', path.join(this.folder, name));
    this.say({});
  }

  /** What the programs are to say, and with which status to end: nothing and 0 unless told. */
  say(words: { stdout?: string; stderr?: string; exit?: number }): void {
    const all = { stdout: '', stderr: '', exit: 0, ...words };
    writeFileSync(path.join(this.folder, 'says.json'), JSON.stringify(all));
  }

  /** Lets the programs say what a recording says, and end with its status. */
  sayAs(key: string): void {
    const found = readTranscripts().find((transcript) => keyOf(transcript) === key);
    assert.ok(found !== undefined, key);
    this.say(found);
  }

  wasCalled(): boolean {
    return existsSync(path.join(this.folder, 'call.json'));
  }

  lastCall(): Call {
    return JSON.parse(readFileSync(path.join(this.folder, 'call.json'), 'utf8')) as Call;
  }

  /** From now on a program that has written down its call stops, until `openGate`. */
  closeGate(): void {
    assert.equal(spawnSync('mkfifo', [path.join(this.folder, 'gate')]).status, 0);
  }

  openGate(): void {
    writeFileSync(path.join(this.folder, 'gate'), '');
  }
}

/** Fresh programs for every test of the file that calls it; the result leads to those of the running test. */
export function useSpokenPrograms(): () => SpokenPrograms {
  let programs: SpokenPrograms | undefined;
  beforeEach(() => {
    programs = new SpokenPrograms();
  });
  afterEach(() => {
    if (programs !== undefined) rmSync(programs.folder, { recursive: true });
    programs = undefined;
  });
  return () => {
    assert.ok(programs !== undefined, 'only within a test');
    return programs;
  };
}

/** Waits for a condition. */
export function until(condition: () => boolean): Promise<void> {
  return waitUntil('the condition came true', condition);
}

/** The processes that keep a lock for as long as the process `pid` lives. */
export function keepersOf(pid: number): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`--pid=${pid}\0`);
    } catch {
      return false;
    }
  });
}
