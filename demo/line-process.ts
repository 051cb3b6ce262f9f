// A child process that is talked to a line of JSON at a time.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';

export class LineProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #ended: Promise<number | null>;
  #errors = '';

  constructor(argv: readonly string[]) {
    const [file = '', ...args] = argv;
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.pid = this.#child.pid ?? 0;
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-4000);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', resolve);
      this.#child.once('error', (error) => {
        this.#errors += error.message;
        resolve(1);
      });
    });
    if (this.#child.stdout === null) throw new Error('no stdout');
    this.#reader = createInterface({ input: this.#child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** The next line, parsed; undefined when the process has said its last. @throws Error when it failed */
  async next<T>(): Promise<T | undefined> {
    const { value, done } = await this.#lines.next();
    if (done !== true) return JSON.parse(value) as T;
    const status = await this.#ended;
    if (status !== 0)
      throw new Error(this.#errors.trim() || `a process of the demo ended with status ${status}`);
    return undefined;
  }

  /** Says something to the process and waits for its answer. */
  async ask<T>(): Promise<T> {
    this.#child.stdin?.write('\n');
    const answer = await this.next<T>();
    if (answer === undefined) throw new Error('a process of the demo ended without an answer');
    return answer;
  }

  /** Lets the process end by itself. */
  async finish(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
    this.#reader.close();
  }
}
