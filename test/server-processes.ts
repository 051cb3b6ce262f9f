// Programs that serve one test process and end with it, however it ends; so does the folder they work in. Must not know
// what the programs are.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, globSync, openSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';

const shownCharacters = 6000;

export class ServerProcesses {
  readonly #folder: string;
  readonly #cleaner: ChildProcess;
  readonly #commands = new Map<string, readonly string[]>();
  readonly #children = new Map<string, ChildProcess>();
  #ended: string | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    // Its input closes when this process ends or says so; then it removes the folder. A session of its own keeps Ctrl-C
    // from it, and it heeds no other wish to end. It tries again, because the programs are being ended at that very moment
    // and may still write.
    const script = [
      "trap '' TERM HUP INT",
      'cat',
      'until rm -rf -- "$1" 2> /dev/null && [ ! -e "$1" ]; do sleep 0.1; done',
    ].join('; ');
    this.#cleaner = spawn('sh', ['-c', script, 'sh', folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#cleaner.unref();
  }

  /** The program that ended by itself, if one did. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** Of the programs that run. */
  get pids(): readonly number[] {
    return [...this.#children.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** The last that each program wrote. */
  get log(): string {
    return logsIn(this.#folder);
  }

  start(name: string, command: readonly string[]): void {
    this.#commands.set(name, command);
    const log = openSync(path.join(this.#folder, `${name}.log`), 'a');
    // The kernel ends the program with this process.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    this.#children.set(name, child);
    const forget = (): void => {
      if (this.#children.get(name) === child) this.#ended = name;
    };
    child.once('error', forget).once('exit', forget).unref();
  }

  /** SIGKILL: nothing of its own is done any more. Resolves when it has ended. */
  async kill(name: string): Promise<void> {
    const child = this.#children.get(name);
    this.#children.delete(name);
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Starts a program that was killed. */
  restart(name: string): void {
    const command = this.#commands.get(name);
    if (command === undefined || this.#children.has(name)) throw new Error(`${name} has not been killed.`);
    this.start(name, command);
  }

  /** Ends every program and removes the folder. */
  async stop(): Promise<void> {
    for (const name of [...this.#children.keys()].reverse()) await this.kill(name);
    if (this.#cleaner.exitCode === null && this.#cleaner.signalCode === null) {
      this.#cleaner.ref();
      const removed = once(this.#cleaner, 'exit');
      this.#cleaner.stdin?.end();
      await removed;
    }
    // It may have been killed.
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The last of every log in a folder. */
export function logsIn(folder: string): string {
  return globSync('*.log', { cwd: folder })
    .sort()
    .map((name) => `${name}:\n${readFileSync(path.join(folder, name), 'utf8').slice(-shownCharacters)}`)
    .join('\n');
}
