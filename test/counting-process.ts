// A process that does one thing as fast as it can and counts how that ends: for tests of what must never happen, or
// never fail, in between.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const program = `
  const fs = require('node:fs');
  const path = require('node:path');
  const [what, file] = process.argv.slice(1);
  const wanted = what === 'read' ? fs.readFileSync(file, 'utf8') : '';
  const inside = path.dirname(file);
  const open = (flags) => fs.closeSync(fs.openSync(file, flags));
  const changes = [
    () => open('r+'), () => open('a'), () => open('w'), () => fs.truncateSync(file, 0),
    () => fs.closeSync(fs.openSync(inside + '/new', 'wx')), () => fs.mkdirSync(inside + '/new'),
    () => fs.symlinkSync('/', inside + '/new'), () => fs.linkSync(file, inside + '/new'),
    () => fs.renameSync(file, inside + '/new'), () => fs.unlinkSync(file), () => fs.rmdirSync(inside),
    () => fs.chmodSync(file, 0o777), () => fs.chownSync(file, 1, 1), () => fs.utimesSync(file, 1, 1),
  ];
  let turn = 0;
  const attempts = {
    change: () => { changes[turn++ % changes.length](); return 'changed'; },
    write: () => { fs.closeSync(fs.openSync(file, 'r+')); return 'written'; },
    read: () => (fs.readFileSync(file, 'utf8') === wanted ? 'read' : 'other contents'),
  };
  const counts = {};
  function attempt() {
    let end;
    try { end = attempts[what](); } catch (error) { end = error.code; }
    counts[end] = (counts[end] ?? 0) + 1;
  }
  for (;;) {
    for (let i = 0; i < 200; i++) attempt();
    fs.writeSync(1, JSON.stringify(counts) + '\\n');
  }`;

export class CountingProcess {
  readonly #child: ChildProcess;
  #text = '';

  /**
   * `write` opens the file for writing; `read` reads it whole and compares it with what it held at first; `change` does
   * in turn all that changes a file, its attributes, or the names in its directory (which is best one that only a mount
   * has: what succeeds beside the mount counts as well).
   */
  constructor(what: 'write' | 'read' | 'change', file: string) {
    this.#child = spawn(process.execPath, ['--eval', program, what, file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child.stdout?.on('data', (chunk) => {
      // The last lines are enough, and there will be many.
      this.#text = (this.#text + chunk).slice(-2000);
    });
  }

  /** How often the attempts have ended so: `written`, `changed` or `read`, `other contents`, or with an error's code. */
  get counts(): Readonly<Record<string, number>> {
    const [line] = this.#text.split('\n').slice(-2, -1);
    return line === undefined || line === '' ? {} : JSON.parse(line);
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
